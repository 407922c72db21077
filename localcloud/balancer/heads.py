"""The heads of a request and of its answer as the load balancer passes them on."""

from __future__ import annotations

from localcloud.balancer.body import Body
from localcloud.balancer.http import Head, Headers, render
from localcloud.balancer.routing import Settings
from localcloud.balancer.tracing import traced


def request_head(
    head: Head, body: Body, settings: Settings, client: str, upgrade: bool
) -> tuple[bytes, bytes]:
    """The head that a target gets for a request from address `client`, and the trace header's value in it."""
    headers = []
    forwarded, trace = [], b""
    for name, value in head.end_to_end():
        lower = name.lower()
        if lower == b"x-forwarded-for":
            forwarded.append(value)
        elif lower == b"x-amzn-trace-id":
            trace = value
        elif (
            lower in (b"x-forwarded-proto", b"x-forwarded-port", b"content-length")
            or (lower == b"expect" and body.invited)
            or (settings.drop_invalid_headers and not name.replace(b"-", b"").isalnum())
        ):
            continue
        else:
            headers.append((name, value))
    forwarded.append(client.encode())
    trace = traced(trace)
    headers += [
        (b"X-Forwarded-For", b", ".join(forwarded)),
        (b"X-Forwarded-Proto", settings.protocol.lower().encode()),
        (b"X-Forwarded-Port", b"%d" % settings.port),
        (b"X-Amzn-Trace-Id", trace),
    ]
    if body.length == -1:
        headers.append((b"Transfer-Encoding", b"chunked"))
    elif head.get(b"content-length") is not None:
        headers.append((b"Content-Length", b"%d" % body.length))
    if upgrade:
        headers += [(b"Connection", b"upgrade"), (b"Upgrade", head.get(b"upgrade") or b"")]
    else:
        headers.append((b"Connection", b"keep-alive"))
    return render(b"%b %b HTTP/1.1" % head.first[:2], headers), trace


def answer_headers(head: Head, settings: Settings) -> Headers:
    """The target's fields, with what the listener's attributes put in their place or take away."""
    gone = {name.lower() for name in settings.added_headers}
    if not settings.server_header:
        gone.add(b"server")
    kept = [(name, value) for name, value in head.end_to_end() if name.lower() not in gone]
    return [*kept, *settings.added_headers.items()]
