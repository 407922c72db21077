"""What must not get through: bodies over the limit, and scripts where a web ACL stands before the service.

What is refused otherwise than it should be, or not answered, did not get through, but nor was it refused.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import partial

from app.http import BODY_LIMIT
from app.probe.client import Answer, Client, ProbeError
from app.probe.result import Result
from app.probe.texts import SCRIPT

# As they are, and as JSON may spell them. A web ACL sees both before it is decided whether they are an echo.
SCRIPTS = (
    json.dumps({"str": SCRIPT}),
    json.dumps({"str": SCRIPT}).replace("<", r"\u003c").replace(">", r"\u003e"),
    json.dumps({"str": "<img src=x onerror=alert(1)>"}),
)


def bodies(client: Client, result: Result) -> None:
    """Send bodies of one byte too many, with their length before them and in chunks: 413, and no echo."""
    mark = secrets.token_hex(16).encode()
    head, tail = b'{"str": "', b'"}'
    length = BODY_LIMIT + 1 - len(head) - len(tail)
    body = head + (mark * (length // len(mark) + 1))[:length] + tail
    for chunked in (False, True):
        _send(
            f"a body of {len(body)} bytes, {'in chunks' if chunked else 'announced'},",
            partial(client.post, body, chunked=chunked),
            result,
            refused=lambda answer: answer.status == 413 and mark not in answer.body,
            through=lambda answer: answer.status < 400 or mark in answer.body,
        )


def scripts(client: Client, result: Result) -> None:
    """Send scripts, each of which has to be stopped before it reaches the service."""
    for body in SCRIPTS:
        _send(
            f"the script {body}",
            partial(client.post, body.encode()),
            result,
            refused=lambda answer: answer.status == 403 and not answer.by_service,
            through=lambda answer: answer.status < 400 or answer.by_service,
        )


def _send(
    what: str,
    send: Callable[[], tuple[Answer, float]],
    result: Result,
    *,
    refused: Callable[[Answer], bool],
    through: Callable[[Answer], bool],
) -> None:
    result.refusals += 1
    try:
        answer, _ = send()
    except ProbeError as error:
        result.unclear += 1
        result.complain(f"{what} was not refused: {error}")
        return
    if refused(answer):
        return
    if through(answer):
        result.missed += 1
        result.complain(f"{what} was let through: {answer}")
    else:
        result.unclear += 1
        result.complain(f"{what} was not refused as it should be: {answer}")
