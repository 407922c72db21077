"""What a connection is doing, and what it answers by itself when there is no request to give to anybody."""

from __future__ import annotations

import enum

from gunicorn.asgi import protocol as stock

from app.asgi import SECURITY_HEADERS, problem_response
from app.problems import Problem


class Phase(enum.Enum):
    """What the connection waits for."""

    IDLE = enum.auto()  # the first byte of a request
    HEADER = enum.auto()  # the rest of its header
    BODY = enum.auto()  # the rest of its body
    ANSWER = enum.auto()  # the application, or a client that does not read
    WEBSOCKET = enum.auto()  # messages: the connection belongs to its session
    CLOSING = enum.auto()  # the client to have read everything


def unread(problem: Problem, request_id: str) -> tuple[bytes, int]:
    """A whole response to what could not be read as a request, and the bytes of its body."""
    status, headers, body = problem_response(problem, request_id)
    headers += [
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
    ]
    response = b"HTTP/1.1 %d %b\r\n%b%bserver: echo-room\r\n\r\n%b" % (
        status,
        problem.kind.title.encode(),
        b"".join([b"%b: %b\r\n" % header for header in headers]),
        stock._get_cached_date_header(),
        body,
    )
    return response, len(body)
