"""Takes credentials out of what is shown or logged: by the name of a field, and by the look of a token."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

# Everything that begins like a credential of this service and goes on for long enough to be one.
_TOKEN = re.compile(r"echo[a-z]?_[0-9A-Za-z_]{16,}")
_TOKEN_BYTES = re.compile(_TOKEN.pattern.encode())
_NAMES = "auth|cookie|token|secret|passw|credential|session|api[-_]?key|signature"
_NAME = re.compile(_NAMES, re.IGNORECASE)
# Bounded and possessive: whatever the text, this takes time in proportion to its length.
_JSON_MEMBER = re.compile(
    rf'("[^"\\]{{0,40}}?(?:{_NAMES})[^"\\]{{0,40}}"\s{{0,8}}:\s{{0,8}})"(?:[^"\\]|\\.)*+"?',
    re.IGNORECASE | re.DOTALL,
)
_FORM_MEMBER = re.compile(rf"((?:^|&)[^=&]{{0,40}}?(?:{_NAMES})[^=&]{{0,40}}=)[^&]*", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a header, parameter or member of that name may hold a credential."""
    return _NAME.search(name) is not None


def text(value: str) -> str:
    """`value` without anything that looks like a token."""
    return _TOKEN.sub(REDACTED, value) if "echo" in value else value


def raw(value: bytes) -> bytes:
    """The same for bytes."""
    return _TOKEN_BYTES.sub(REDACTED.encode(), value) if b"echo" in value else value


def document(value: str, *, form: bool) -> str:
    """`value` without tokens, and without values of members (JSON or form) named like credentials."""
    found = (_FORM_MEMBER if form else _JSON_MEMBER).sub(
        lambda match: match[1] + (REDACTED if form else f'"{REDACTED}"'), value
    )
    return text(found)
