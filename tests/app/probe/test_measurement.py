"""What the probe makes of services that lie, fail, stop scripts, or take a while to refuse."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

import pytest

from app.probe import measure
from app.probe.client import Client, EchoSocket, ProbeError, RefusedError
from app.probe.result import Result
from app.probe.texts import SCRIPT, texts
from tests.app.probe.services import Answered, echoed, service
from tests.app.servers import Server


def measured(answer: Callable[[str], Answered], strings: list[str]) -> Result:
    result = Result()
    with service(lambda body: answer(json.loads(body)["str"])) as url:
        assert measure.echoes(Client(url, "token"), strings, result) is None, "it has no WebSocket"
    return result


def test_strings_differ_and_are_what_utf_8_can_say() -> None:
    found = texts(50)
    assert len(set(found)) == 50
    assert {"", SCRIPT} <= set(found)
    assert any("\x00" in text for text in found)
    assert any(len(text.encode()) >= 65536 for text in found)


@pytest.mark.parametrize(
    ("change", "different"),
    [
        (lambda text: text.replace("\x00", ""), 4),
        (lambda text: unicodedata.normalize("NFC", text), 2),
        (lambda text: text.strip(), 2),
        (lambda text: text[:65535], 2),
    ],
    ids=["loses NUL", "normalises", "strips", "cuts"],
)
def test_a_service_that_changes_strings_is_found_out(change: Callable[[str], str], different: int) -> None:
    result = measured(lambda text: echoed(change(text)), texts(11))
    assert (result.mismatches, result.failures) == (different, 1)
    assert (result.echoes, len(result.latencies)) == (23, 22)
    assert "another string came back" in result.wrong[0]


@pytest.mark.parametrize("body", [b"", b"OK", b"[]", b'{"str": 1}', b'{"str": "x", "more": 1}'])
def test_what_is_no_echo_is_different(body: bytes) -> None:
    result = measured(lambda _: (200, "application/json", body), ["x"])
    assert (result.mismatches, result.failures) == (2, 1)
    assert "no string came back" in result.wrong[0]


def test_what_a_web_acl_stops_is_neither_an_echo_nor_a_failure() -> None:
    def answer(text: str) -> tuple[int, str, bytes]:
        return (403, "text/html", b"Forbidden") if "<script>" in text else echoed(text)

    result = measured(answer, ["a", SCRIPT])
    assert (result.stopped, result.echoes, result.failures) == (2, 3, 1)
    result = measured(lambda _: (403, "text/html", b"Forbidden"), ["a"])
    assert (result.stopped, result.failures) == (0, 3), "other strings must not be stopped"
    problem = json.dumps({"status": 403}).encode()
    result = measured(lambda _: (403, "application/problem+json", problem), [SCRIPT])
    assert (result.stopped, result.failures) == (0, 3), "the service's own refusal of a script is a failure"


def test_a_service_that_fails_is_given_up_soon() -> None:
    result = measured(lambda _: (503, "text/plain", b"busy"), texts(20))
    assert (result.failures, result.echoes) == (6, 6)
    assert result.wrong[0] == "5 times: HTTP: 503 busy (first for '')"
    assert not result.passed


class Tasks(Client):
    """Tasks behind one address that answer in turn: `a`ccepted, `r`efused, `?` neither."""

    def echo(self, text: str, *, escaped: bool) -> tuple[str | None, float]:  # noqa: ARG002 - as a Client has it
        outcome, *rest = self.token
        object.__setattr__(self, "token", "".join(rest) or outcome)
        if outcome == "a":
            return text, 1.0
        raise RefusedError("401") if outcome == "r" else ProbeError("503 busy")


@pytest.mark.parametrize(
    ("script", "passed", "left"),
    [
        ("r", True, "r"),
        ("aaarrrr", True, "r"),
        ("ararrarrr" + "a", True, "a"),
        ("r?r?r" + "a", True, "a"),
        ("a", False, "a"),
        ("rra", False, "a"),
        ("?", False, "?"),
    ],
)
def test_only_refusals_by_all_tasks_end_it(
    monkeypatch: pytest.MonkeyPatch, script: str, passed: bool, left: str
) -> None:
    """`left`: what the tasks would say next, so that it ended at the third refusal in a row."""
    monkeypatch.setattr(measure, "INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr(measure, "MARGIN_SECONDS", 0.1)
    result, client = Result(), Tasks("http://127.0.0.1:1", script)
    measure.revocation(client, None, result, 3, 30 if passed else 0.2)
    assert (result.passed, result.overdue) == (passed, not passed)
    assert (result.delay is not None) == passed
    assert client.token == left
    if "?" in script and not passed:
        assert "503 busy" in result.wrong[0]


def test_a_token_that_goes_on_is_overdue(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one that nobody revokes: over HTTP, and then over an open WebSocket only."""
    monkeypatch.setattr(measure, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(measure, "MARGIN_SECONDS", 0.1)
    token, _ = server.new_token()
    client = Client(server.url, token)
    said: list[str] = []
    for socket in (None, client.websocket()):
        result = Result()
        measure.revocation(client, socket, result, 1, 0.3, said.append)
        assert result.overdue
        assert result.wrong == ["revocation: not refused everywhere within 0.3 s"]
    assert said == []


def test_an_open_websocket_that_echoes_counts_as_accepted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "MARGIN_SECONDS", 0.0)
    token, _ = server.new_token()
    socket: EchoSocket = Client(server.url, token).websocket()
    result = Result()
    refused = Tasks(server.url, "r")
    measure.revocation(refused, socket, result, 1, 0.2)
    assert result.overdue
    result = Result()
    measure.revocation(refused, None, result, 1, 30)
    assert result.delay is not None
