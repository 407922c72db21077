"""What the probe makes of services that let through what they should refuse, or refuse it in other ways."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from app.http import BODY_LIMIT
from app.probe import refusals
from app.probe.client import Client
from app.probe.result import Result
from tests.app.probe.services import Answered, echoed, service
from tests.app.servers import Server
from tests.ports import free_port

PROBLEM, JSON, HTML = "application/problem+json", "application/json", "text/html"


def counted(what: Callable[[Client, Result], None], answer: Callable[[bytes], Answered]) -> tuple[int, ...]:
    result = Result()
    with service(answer) as url:
        what(Client(url, "token"), result)
    assert result.passed == (result.missed == result.unclear == 0)
    return result.refusals, result.missed, result.unclear


def test_the_service_refuses_bodies_announced_and_in_chunks(server: Server) -> None:
    token, _ = server.new_token()
    result = Result()
    refusals.bodies(Client(server.url, token), result)
    assert (result.refusals, result.missed, result.unclear, result.wrong) == (2, 0, 0, [])


def test_bodies_have_one_byte_too_many_and_would_be_an_echo() -> None:
    seen: list[bytes] = []

    def answer(body: bytes) -> Answered:
        seen.append(body)
        return 413, PROBLEM, b"{}"

    assert counted(refusals.bodies, answer) == (2, 0, 0)
    assert [len(body) for body in seen] == [BODY_LIMIT + 1] * 2
    assert json.loads(seen[0]).keys() == {"str"}


@pytest.mark.parametrize(
    ("answer", "missed", "unclear"),
    [
        (lambda body: echoed(json.loads(body)["str"]), 2, 0),
        (lambda _: (200, JSON, b"{}"), 2, 0),
        (lambda body: (413, PROBLEM, body[:100]), 2, 0),
        (lambda body: (500, HTML, body[-100:]), 2, 0),
        (lambda _: (502, HTML, b"Bad Gateway"), 0, 2),
        (lambda _: (401, PROBLEM, b"{}"), 0, 2),
        (lambda _: (403, HTML, b"Forbidden"), 0, 2),
    ],
    ids=["echoes", "accepts", "echoes a part", "fails with a part", "502", "401", "403"],
)
def test_a_body_that_comes_back_or_is_taken_is_let_through(
    answer: Callable[[bytes], Answered], missed: int, unclear: int
) -> None:
    assert counted(refusals.bodies, answer) == (2, missed, unclear)


@pytest.mark.parametrize(
    ("answer", "missed", "unclear"),
    [
        ((403, HTML, b"Forbidden"), 0, 0),
        ((403, PROBLEM, b"{}"), 3, 0),
        ((503, PROBLEM, b"{}"), 3, 0),
        ((200, JSON, b"{}"), 3, 0),
        ((503, HTML, b"Service Unavailable"), 0, 3),
        ((429, JSON, b"{}"), 0, 3),
    ],
)
def test_a_script_that_the_service_answers_is_let_through(
    answer: Answered, missed: int, unclear: int
) -> None:
    assert counted(refusals.scripts, lambda _: answer) == (3, missed, unclear)


def test_scripts_are_spelled_in_several_ways() -> None:
    plain, escaped, other = refusals.SCRIPTS
    assert plain != escaped
    assert json.loads(plain) == json.loads(escaped) != json.loads(other)
    assert "<" not in escaped


def test_no_answer_is_no_refusal() -> None:
    result = Result()
    client = Client(f"http://127.0.0.1:{free_port()}", "token")
    refusals.bodies(client, result)
    refusals.scripts(client, result)
    assert (result.refusals, result.missed, result.unclear) == (5, 0, 5)
    assert result.of_refusals() == {"ProbeRefusals": 5, "ProbeRefusalsMissed": 0, "ProbeFailures": 5}
