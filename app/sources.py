"""Who sent a request: the client's address, and the network that limits count it to.

Anybody can send an `X-Forwarded-For`; only what trusted proxies appended to it is true. With
`ECHO_TRUSTED_HOPS=N` the N-th entry from the right was written by the outermost trusted proxy, about the peer
that it saw. A request with fewer entries did not come through all of them: then the
peer itself is the source.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from app.http import Scope

_MOST_KNOWN = 4096
_LONGEST = 64  # an IPv6 address in brackets, with a zone and a port


class Source(NamedTuple):
    """`address`: the client's, for logs. `network`: what limits count; an IPv6 customer has a whole /64."""

    address: str
    network: str


NOBODY = Source("", "")


class Sources:
    """Finds the source of requests behind `hops` trusted proxies (0: clients connect directly)."""

    def __init__(self, hops: int) -> None:
        self._hops = hops
        self._known: dict[str, Source] = {}  # parsing costs more than the rest of the request's bookkeeping

    def of(self, scope: Scope) -> Source:
        """The source of a request, or of a connection (a scope without `headers`)."""
        client = scope.get("client")
        text: str = client[0] if client else ""
        if self._hops:
            text = self._forwarded(scope) or text
        known = self._known.get(text)
        return known if known is not None else self._learn(text)

    def _forwarded(self, scope: Scope) -> str | None:
        entries = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").split(
            b","
        )
        if len(entries) < self._hops:
            return None
        entry = entries[-self._hops].strip()
        text = entry.decode("latin-1")
        # What is not an address was not written by a proxy that we should trust.
        return text if len(text) <= _LONGEST and parse(text) is not None else None

    def _learn(self, text: str) -> Source:
        address = parse(text)
        source = NOBODY if address is None else Source(str(address), _network(address))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[text] = source
        return source


def parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in `text`, with or without a port (`192.0.2.1:80`, `[2001:db8::1]:80`), or None."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # a dual-stack socket's way to write an IPv4 client
    return address


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
