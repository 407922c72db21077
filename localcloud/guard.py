"""What may reach the gateway: no web page, no other host name, nothing that is not for us.

The AWS API inside has no authentication and answers every cross-origin preflight with yes, so a page in the
developer's browser could drive it. A browser always says where a cross-origin request comes from (`Origin`),
and a DNS-rebound page arrives under its own name (`Host`); both are refused first.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def refusal(headers: Iterable[tuple[bytes, bytes]], port: int, through_socket: bool) -> str | None:
    """Why a request with these headers is refused, None when it may pass.

    `through_socket`: it came through the Unix socket, which only the owner (and a relay the owner started for
    their containers) can open. Containers know the relay under names of their own, so Host says
    nothing there.
    """
    hosts = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"origin":
            return "requests from web pages (with an Origin header) are refused"
        if lowered.startswith(b"sec-fetch-") and value not in (b"none", b"same-origin"):
            return "requests from web pages (with a Sec-Fetch header) are refused"
        if lowered == b"host":
            hosts.append(value.decode("latin-1").lower())
    if through_socket:
        return None
    if len(hosts) != 1 or hosts[0] not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        return f"unknown Host {', '.join(hosts) or '(none)'}: use 127.0.0.1:{port}"
    return None


def guarded(app: App, port: int) -> App:
    """Wrap `app` so that it only sees requests that may pass, all under the gateway's own Host."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        headers = list(scope.get("headers", []))
        through_socket = scope.get("server") is None or not (scope["server"] or [None])[0]
        reason = refusal(headers, port, through_socket)
        if reason is None:
            host = (b"host", f"127.0.0.1:{port}".encode())
            headers = [host, *(h for h in headers if h[0].lower() != b"host")]
            await app({**scope, "headers": headers}, receive, send)
        elif scope["type"] == "http":
            await answer(send, 403, {"message": reason})
        else:
            await send({"type": "websocket.close", "code": 1008})

    return guard


async def answer(send: Send, status: int, body: Any, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send `body` as a JSON response."""
    content = json.dumps(body).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
