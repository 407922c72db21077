"""`GET /healthz/echo`: what checkers see who can only ask, and that they see it when an echo goes wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
import requests

from app import synthetic
from app.asgi import Application
from app.http import Message
from app.problems import Problem
from app.settings import load
from tests.app.answers import Answer, assert_problem
from tests.app.servers import ROOT, Server

URL = "/healthz/echo"


def test_it_is_the_text_as_an_echo_of_it_would_be(server: Server) -> None:
    answer = requests.get(server.url + URL, timeout=30)
    assert (answer.status_code, answer.json()) == (200, {"str": synthetic.TEXT})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    token, _ = server.new_token()
    echoed = requests.post(
        f"{server.url}/echo", synthetic.BODY, timeout=30,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    assert echoed.content == answer.content


def test_nothing_of_the_callers_is_in_it(server: Server) -> None:
    plain = requests.get(server.url + URL, timeout=30)
    asked = requests.get(
        f"{server.url}{URL}?str=mine&x=%3Cscript%3E", data=b'{"str": "mine"}', timeout=30,
        headers={"Content-Type": "text/mine", "Authorization": "Bearer mine", "Accept": "text/html"},
    )  # fmt: skip
    assert asked.status_code == 200
    assert asked.content == plain.content
    one, other = dict(asked.headers.lower_items()), dict(plain.headers.lower_items())
    for ours in ("date", "x-request-id", "ratelimit"):
        assert one.pop(ours)
        assert other.pop(ours)
    assert one == other


def test_methods(server: Server) -> None:
    head = requests.head(server.url + URL, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(requests.get(server.url + URL, timeout=30).content))
    assert requests.options(server.url + URL, timeout=30).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_it_holds_what_the_checks_of_the_template_search() -> None:
    template = (ROOT / "cloudformation" / "health.yaml").read_text()
    _, found, rest = template.partition("  EchoText:\n")
    assert found
    wanted = next(line for line in rest.splitlines() if line.startswith("    Default: "))
    answer = json.dumps({"str": synthetic.TEXT}, ensure_ascii=False).encode()
    assert wanted.removeprefix("    Default: ").encode() in answer[:5120]


def ask(application: Application) -> Answer:
    """One request without a server, so that what it goes through can be broken."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("there is no body")

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": URL, "query_string": b"", "headers": [], "client": None,
        "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(application(scope, receive, send))
    start, body = sent
    headers: dict[str, str] = {}
    for name, value in start["headers"]:
        block = b"%b: %b" % (name, value)  # a field may hold others behind line ends
        headers |= dict(line.split(": ", 1) for line in block.decode().split("\r\n"))
    return Answer(start["status"], headers, body["body"])


def refuses(*_: object) -> Any:
    raise Problem("invalid-json", "No body is JSON today.")


def fails(*_: object) -> Any:
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("serialise", lambda text: json.dumps({"str": text.lower()}).encode()),
        ("serialise", lambda text: json.dumps({"str": text}).encode("utf-16")),
        ("serialise", lambda text: f'{{"str": "{text}"}}'.encode()),
        ("text_of", lambda members: members["str"].encode("ascii", "replace").decode()),
        ("parse", refuses),
        ("require_json", refuses),
        ("serialise", fails),
    ],
)
def test_an_echo_that_is_not_right_is_500_and_counted(
    part: str, broken: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    application = Application(load({"ECHO_FAULTS": "off"}))
    application._gate = None  # neither tokens nor the store have a part in this
    assert ask(application).status == 200
    numbers, metrics = application.metrics.numbers, application.metrics
    assert (numbers[metrics.compared], numbers[metrics.different]) == (1, 0)
    monkeypatch.setattr(synthetic, part, broken)
    with caplog.at_level(logging.CRITICAL):
        assert_problem(ask(application), "internal-error")
    assert (numbers[metrics.compared], numbers[metrics.different]) == (2, 1)
