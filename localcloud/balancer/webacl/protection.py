"""What of a request may be shown in samples and logs: `DataProtectionConfig`, and redacted fields."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.balancer.webacl.request import Request

REDACTED = "REDACTED"


@dataclass(frozen=True)
class Shown:
    """A request as it may be shown."""

    uri: str
    query: str
    method: str
    #: Pairs of name and value.
    headers: list[tuple[str, str]]


def shown(acl: dict[str, Any], request: Request, redacted: list[dict[str, Any]] | None = None) -> Shown:
    """The request with its protected fields hashed or replaced, and those of a log's `RedactedFields` too."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.head.headers]
    uri, query, method = request.path, request.query, request.method
    for protection in (acl.get("DataProtectionConfig") or {}).get("DataProtections") or []:
        hide = _hash if protection["Action"] == "HASH" else _replace
        kind = protection["Field"]["FieldType"]
        keys = {str(key).lower() for key in protection["Field"].get("FieldKeys") or []}
        if kind == "SINGLE_HEADER":
            headers = [(n, hide(v) if n.lower() in keys else v) for n, v in headers]
        elif kind == "QUERY_STRING":
            query = hide(query) if query else query
        elif kind == "SINGLE_QUERY_ARGUMENT":
            query = _pairs(query, "&", keys, hide)
        elif kind == "SINGLE_COOKIE":
            headers = [(n, _pairs(v, ";", keys, hide) if n.lower() == "cookie" else v) for n, v in headers]
    for field in redacted or []:
        ((what, of),) = field.items()
        if what == "SingleHeader":
            headers = [(n, REDACTED if n.lower() == of["Name"].lower() else v) for n, v in headers]
        uri = REDACTED if what == "UriPath" else uri
        query = REDACTED if what == "QueryString" else query
        method = REDACTED if what == "Method" else method
    return Shown(uri, query, method, headers)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("latin-1", "replace")).digest()).decode()


def _replace(_: str) -> str:
    return REDACTED


def _pairs(text: str, separator: str, keys: set[str], hide: Callable[[str], str]) -> str:
    parts = []
    for part in text.split(separator):
        name, equals, value = part.partition("=")
        parts.append(f"{name}={hide(value)}" if equals and name.strip().lower() in keys else part)
    return separator.join(parts)
