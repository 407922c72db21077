"""What the balancer answers by itself: errors, fixed responses and redirects."""

from __future__ import annotations

import asyncio
from typing import Any

from localcloud.balancer.http import Headers, render
from localcloud.balancer.routing import Settings, redirect_location

_KNOWN = {
    400: "Bad Request", 403: "Forbidden", 408: "Request Timeout", 500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out",
}  # fmt: skip


async def answer(
    writer: asyncio.StreamWriter,
    status: int,
    keep: bool,
    settings: Settings,
    is_head: bool,
    body: bytes | None = None,
    extra: Headers | None = None,
) -> None:
    """The balancer's own answer."""
    reason = _KNOWN.get(status, "")
    if body is None:
        body = f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n</html>\r\n".encode()
        extra = [(b"Content-Type", b"text/html")]
    headers = [(b"Content-Length", b"%d" % len(body)), *(extra or [])]
    if settings.server_header:
        headers.insert(0, (b"Server", b"awselb/2.0"))
    headers += settings.added_headers.items()
    headers.append((b"Connection", b"keep-alive" if keep else b"close"))
    writer.write(render(f"HTTP/1.1 {status} {reason}".encode(), headers) + (b"" if is_head else body))
    await writer.drain()


async def act(
    action: dict[str, Any],
    writer: asyncio.StreamWriter,
    keep: bool,
    settings: Settings,
    is_head: bool,
    target: str,
    host: str,
) -> None:
    """Answer as a redirect or fixed-response action says, with a 503 when there is neither."""
    kind = action.get("Type")
    if kind == "redirect":
        config = action["RedirectConfig"]
        where = redirect_location(config, target, host, settings.protocol, settings.port)
        status = int(str(config.get("StatusCode", "HTTP_302")).removeprefix("HTTP_"))
        await answer(writer, status, keep, settings, is_head, b"", [(b"Location", where.encode("latin-1"))])
    elif kind == "fixed-response":
        config = action["FixedResponseConfig"]
        body = str(config.get("MessageBody") or "").encode()
        content = str(config.get("ContentType") or "text/plain").encode()
        status = int(config["StatusCode"])
        await answer(writer, status, keep, settings, is_head, body, [(b"Content-Type", content)])
    else:
        await answer(writer, 503, keep, settings, is_head)
