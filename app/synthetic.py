"""`GET /healthz/echo`: an echo that the service makes for who can only ask, with a text of its own.

Checkers like Route 53's send neither a body nor a token. So this puts a body of its own through what
`POST /echo` does with everybody's (`app.echo`), on the same event loop, and reads the answer back each time.
Nothing of the caller's is in it, and the store is not asked.
"""

from __future__ import annotations

import logging

from app.echo import HEADERS, compare, parse, require_json, serialise, text_of
from app.http import Request, Response, other_method
from app.telemetry.metrics import Metrics

log = logging.getLogger("app.synthetic")

# What goes wrong first where bytes, code points and escapes are confused: as itself, then as an escape. What
# a checker searches for is plain, and behind all that.
BODY = (
    r'{"str": "Grüße 世界 👋 <&> /  Gr\u00fc\u00DFe \u4E16\u754c \ud83d\udc4b \u003c\u0026\u003e \/  '
    r'e\u0301 \u2028 \u007f \"quoted\" back\\slash \b\f\n\r\t\u0000\u001f  Is anybody there?"}'
).encode()
TEXT = (
    "Grüße 世界 👋 <&> /  Grüße 世界 👋 <&> /  "
    'e\u0301 \u2028 \x7f "quoted" back\\slash \b\f\n\r\t\0\x1f  Is anybody there?'
)
"""What the string in `BODY` is."""


def synthetic_echo(request: Request, metrics: Metrics) -> Response:
    """Answer one request. Raises Problem: 405, or 500 if the echo is not what it must be."""
    if request.method not in ("GET", "HEAD"):
        return other_method(request, "GET", "GET, HEAD, OPTIONS")
    try:
        require_json(dict(HEADERS))
        answer = serialise(text_of(parse(BODY)))
    except Exception:  # what refuses this refuses everybody
        log.exception("the synthetic echo failed")
        answer = b""
    compare(answer, TEXT, metrics)
    return 200, HEADERS, answer
