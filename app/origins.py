"""Which web page a request came from: browsers say so, and nobody else does."""

from __future__ import annotations

from urllib.parse import urlsplit


def same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` field is about a page of this very service, by the request's `Host` field.

    The scheme is not compared: behind a balancer the service need not be spoken to as the browser spoke.
    """
    try:
        parts = urlsplit(origin.strip().lower())
    except ValueError:
        return False
    host = host.strip().lower()
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc == host
