"""What the balancer answers by itself: errors, fixed responses and redirects."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

from localcloud.balancer.http import Headers, render
from localcloud.balancer.routing import redirect_location
from localcloud.balancer.turn import Turn

_KNOWN = {
    400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout",
    463: "", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Temporarily Unavailable", 504: "Gateway Time-out",
}  # fmt: skip


async def answer(
    writer: asyncio.StreamWriter,
    turn: Turn,
    status: int,
    keep: bool,
    body: bytes | None = None,
    extra: Headers | None = None,
) -> None:
    """The balancer's own answer to a request; `body` None is AWS's page for the status."""
    settings, reason = turn.settings, _KNOWN.get(status, "")
    if body is None:
        title = f"{status} {reason}".strip()
        body = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
        ).encode()
        extra = [*(extra or []), (b"Content-Type", b"text/html")]
    headers = [
        (b"Date", formatdate(usegmt=True).encode()),
        (b"Content-Length", b"%d" % len(body)),
        *(extra or []),
    ]
    if settings.server_header:
        headers.insert(0, (b"Server", b"awselb/2.0"))
    headers += settings.added_headers.items()
    headers.append((b"Connection", b"keep-alive" if keep else b"close"))
    is_head = turn.head is not None and turn.head.first[0] == b"HEAD"
    written = render(f"HTTP/1.1 {status} {reason}".encode(), headers) + (b"" if is_head else body)
    turn.answer(status)
    turn.sent += len(written)
    writer.write(written)
    await writer.drain()


async def act(
    action: dict[str, Any], writer: asyncio.StreamWriter, turn: Turn, keep: bool, target: str, host: str
) -> None:
    """Answer as a redirect or fixed-response action says, with a 503 when there is neither."""
    kind = action.get("Type")
    if kind == "redirect":
        config, settings = action["RedirectConfig"], turn.settings
        turn.redirect = redirect_location(config, target, host, settings.protocol, settings.port)
        status = int(str(config.get("StatusCode", "HTTP_302")).removeprefix("HTTP_"))
        await answer(writer, turn, status, keep, b"", [(b"Location", turn.redirect.encode("latin-1"))])
    elif kind == "fixed-response":
        config = action["FixedResponseConfig"]
        body = str(config.get("MessageBody") or "").encode()
        content = str(config.get("ContentType") or "text/plain").encode()
        await answer(writer, turn, int(config["StatusCode"]), keep, body, [(b"Content-Type", content)])
    else:
        await answer(writer, turn, 503, keep)
