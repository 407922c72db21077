"""One HTTP request with the standard library, for what is no AWS API: registries and the service itself."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """A response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def connect(url: str, seconds: float, context: ssl.SSLContext | None, at: str = "") -> socket.socket:
    """Connect to a URL's server (or to `at`), with TLS for https and the URL's name. Raises OSError."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    plain = socket.create_connection((at or host, parts.port or (443 if secure else 80)), timeout=seconds)
    # Headers and body are two writes: without this the second may wait for the first one's acknowledgement.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return plain
    try:
        return (context or ssl.create_default_context()).wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def request(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 15.0,
    context: ssl.SSLContext | None = None,
    at: str = "",
) -> Answer:
    """Send one request on a connection of its own. Raises OSError or http.client.HTTPException.

    A redirect is an answer as any other. `context` says how an HTTPS server is verified; without one, by the
    system's authorities. `at` is the host to connect to where the URL's name is in no DNS.

    A server that refuses a large body may answer and close before it was sent in full: its answer counts.
    """
    parts = urlsplit(url)
    # The class only says which port goes without saying; the connection is ours.
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=seconds)
    connection.sock = connect(url, seconds, context, at)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
        except (BrokenPipeError, ConnectionResetError):
            if not body:
                raise
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()
