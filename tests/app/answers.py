"""Raw HTTP answers, and the one helper that pins the shape of every refusal."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

from app.problems import KINDS


@dataclass
class Answer:
    """A parsed response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def read_answer(connection: socket.socket, *, head: bool = False) -> Answer:
    """One response; interim ones are skipped."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, f"closed after {received!r}"
        received += piece
    header, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = header.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(headers) == len(lines), f"a header is there twice: {lines}"
    while not head and len(body) < int(headers["content-length"]):
        piece = connection.recv(65536)
        assert piece, "closed within the body"
        body += piece
    return Answer(int(status_line.split(" ")[1]), headers, body)


def assert_problem(answer: Answer, name: str, *, head: bool = False) -> None:
    """The status, the whole document and the headers that every refusal has."""
    kind = KINDS[name]
    assert answer.status == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    if head:
        assert answer.body == b""
        assert int(answer.headers["content-length"]) > 0
        return
    document = json.loads(answer.body)
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["type"] == f"urn:echo-room:problem:{name}"
    assert document["status"] == kind.status
    assert document["title"] == kind.title
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
