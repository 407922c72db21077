"""What the text of a setting may be, and the value it stands for.

Each function makes a parser, or is one: it returns the value, or raises ValueError saying what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit


def integer(low: int, high: int) -> Callable[[str], int]:
    """A whole number in a range."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError("not a whole number") from None
        if not low <= value <= high:
            raise ValueError("out of range")
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A number in a range."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("not a number") from None
        if not low <= value <= high:  # false for NaN too
            raise ValueError("out of range")
        return value

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError("not one of them")
        return text

    return parse


def switch(text: str) -> bool:
    """`on` or `off`."""
    return choice("on", "off")(text) == "on"


def text(longest: int) -> Callable[[str], str]:
    """Printable characters, at least one."""

    def parse(text: str) -> str:
        if not text or len(text) > longest or not text.isprintable():
            raise ValueError("empty, too long, or with control characters")
        return text

    return parse


def path(given: str) -> str:
    """A path, or nothing."""
    return given and text(4096)(given)


def environment(text: str) -> str:
    """A name of letters, digits and dashes."""
    if not 1 <= len(text) <= 32 or not all(c.isascii() and (c.isalnum() or c == "-") for c in text):
        raise ValueError("not a name")
    return text


def origins(text: str) -> tuple[str, ...]:
    """Web origins, separated by commas."""
    found = tuple(part.strip().lower() for part in text.split(","))
    for origin in found:
        scheme, separator, host = origin.partition("://")
        whole = separator and scheme in ("http", "https") and host and not set(host) & set("/?#@ *")
        if origin != "same-origin" and not whole:
            raise ValueError(f"{origin!r} is no origin")
    return found


def service_url(given: str) -> str:
    """The address of a service (scheme, host, perhaps a port), or nothing."""
    parts = urlsplit(given)
    if given and (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username is not None
        or parts.path.rstrip("/")
        or parts.query
        or parts.fragment
        or parts.port == 0  # raises ValueError for what is no port
    ):
        raise ValueError("not like https://echo.example or http://127.0.0.1:8080")
    return given.rstrip("/")


def table(text: str) -> str:
    """The name of a DynamoDB table."""
    if not 3 <= len(text) <= 255 or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in text):
        raise ValueError("not a table name")
    return text
