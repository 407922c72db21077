"""The request and the response as the routes behind the shared layer see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from app.problems import Problem

if TYPE_CHECKING:
    from app.limits import Buckets
    from app.sources import Source

BODY_LIMIT = 1024 * 1024
"""Largest request body in bytes: what bounds the memory and the parsing time that one request can cost."""

CONNECTION = "echo.connection"
"""Key in the scope of a WebSocket's handshake: what `connection_of` says."""

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Request:
    """One request and its whole body (BODY_LIMIT bytes at most). Header names: lower case, the last wins."""

    __slots__ = (
        "body",
        "headers",
        "held",
        "limit",
        "method",
        "problem",
        "request_id",
        "route",
        "scope",
        "source",
        "token_id",
    )

    def __init__(self, scope: Scope, headers: dict[bytes, bytes], request_id: str, source: Source) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers = headers
        self.request_id = request_id
        self.body = b""
        self.held = 0  # bytes of it that count towards what all bodies may take
        self.source = source
        self.problem = ""  # the name of its kind, if it was refused
        self.route = ""  # its template, once it is known; "" for requests that no route was found for
        self.limit: tuple[Buckets, int, float] | None = None  # that was charged last: what is left, when full
        self.token_id = ""  # for the access log, once a token was verified


# Status, headers (content-length and those of the shared layer excepted), body.
Response = tuple[int, Headers, bytes]


def connection_of(receive: Receive) -> Any:
    """The `EchoProtocol` of `app.connection` whose request this is; None in the hands of another server.

    It has `upgrade(session)`, and `broken`, the Problem with a body's rest.
    """
    return getattr(getattr(receive, "__self__", None), "protocol", None)


def other_method(request: Request, use: str, allow: str) -> Response:
    """The answer to a method that a route has not: `OPTIONS` learns which it has. Raises Problem (405)."""
    if request.method == "OPTIONS":
        return 204, [(b"allow", allow.encode())], b""
    raise Problem("method-not-allowed", f"Use {use}.", (("Allow", allow),))
