"""`ANY /anything`: the request as the server saw it, so that a client can see what proxies made of it."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

from app import redact
from app.gate import Gate
from app.http import Request, Response

_HEADERS = [(b"content-type", b"application/json")]
_FORM = b"application/x-www-form-urlencoded"


def describe(request: Request) -> dict[str, Any]:
    """The members of the answer. Credentials are replaced by `[redacted]`, wherever they were."""
    scope = request.scope
    query = parse_qsl(
        scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape"
    )
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    body, encoding = _body(request)
    return {
        "method": request.method,
        "path": redact.text(scope["path"]),
        "query": [_shown(name, value) for name, value in query],
        "headers": [_shown(name, value) for name, value in headers],
        "body": body,
        "body_encoding": encoding,
        "source": request.source.address,
        "scheme": scope["scheme"],
        "request_id": request.request_id,
    }


def _shown(name: str, value: str) -> list[str]:
    return [redact.text(name), redact.REDACTED if redact.is_secret(name) else redact.text(value)]


def _body(request: Request) -> tuple[str, str]:
    body = request.body
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(redact.raw(body)).decode(), "base64"
    form = request.headers.get(b"content-type", b"").lower().startswith(_FORM)
    return redact.document(text, form=form), "utf-8"


async def anything(request: Request, gate: Gate) -> Response:
    """Answer one request. Raises Problem (401, 429, 503)."""
    await gate.admit_bearer(request)
    return 200, _HEADERS, json.dumps(describe(request)).encode()
