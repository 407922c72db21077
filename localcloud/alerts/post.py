"""Requests to http and https subscriptions: one attempt, and when the next one is due."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from localcloud import speed
from localcloud.dns import names

#: How long an endpoint may take to answer, in real seconds.
_SECONDS = 15.0

#: SNS's own, for topics and subscriptions that say nothing: three retries, 20 seconds apart.
_DEFAULT = {"numRetries": 3, "minDelayTarget": 20, "maxDelayTarget": 20}


class RefusedError(Exception):
    """The endpoint's answer, or that there was none; `final` when no retry can help."""

    def __init__(self, message: str, final: bool) -> None:
        super().__init__(message)
        self.final = final


class _Plain(http.client.HTTPConnection):
    """A connection to an address, under another name."""

    def __init__(self, address: str, host: str, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=_SECONDS)
        self._address, self._name, self._context = address, host, context
        self.default_port = 80 if context is None else 443

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)


def send(address: str, endpoint: str, headers: dict[str, str], body: str, authority: Path) -> None:
    """POST to `endpoint` at a loopback `address`; blocking. Redirects are not followed.

    A certificate must be of this state directory's authority, or of one that the system trusts. Raises
    RefusedError for anything but a 2xx answer.
    """
    url = urlsplit(endpoint)
    secure = url.scheme == "https"
    context = None
    if secure:
        context = ssl.create_default_context()
        context.load_verify_locations(authority)
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers = {**headers, "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    connection = _Plain(address, url.hostname or "", url.port or (443 if secure else 80), context)
    try:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("POST", path, body.encode(), headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        raise RefusedError(f"{type(exc).__name__}: {exc}", final=False) from exc
    finally:
        connection.close()
    if not 200 <= status < 300:
        # As SNS has it: what the client did wrong stays wrong, except too much of it at once.
        raise RefusedError(f"HTTP status {status}", final=status < 500 and status != 429)


def target(endpoint: str, protocol: str) -> str:
    """The loopback address of an endpoint.

    Raises NotLocalError, and ValueError for one that is no URL of the subscription's protocol.
    """
    url = urlsplit(endpoint)
    if url.scheme != protocol or not url.hostname:
        raise ValueError(f"it is not a URL that begins with {protocol}://")
    _ = url.port  # A port that is none raises ValueError.
    return names.address(url.hostname)


def policy(topic: dict[str, Any], subscription: dict[str, Any]) -> dict[str, Any]:
    """The retry policy in force; raises ValueError for one that is not JSON."""
    own = json.loads(subscription["attributes"].get("DeliveryPolicy") or "{}")
    of_topic = json.loads(topic["attributes"].get("DeliveryPolicy") or "{}").get("http", {})
    chosen = own.get("healthyRetryPolicy") or of_topic.get("defaultHealthyRetryPolicy") or {}
    return {**_DEFAULT, **{key: value for key, value in chosen.items() if value is not None}}


def waits(chosen: dict[str, Any]) -> Iterator[float]:
    """Seconds of this local cloud before each retry: at once, pre-backoff, backoff, post-backoff.

    The backoff grows linearly whatever function is named; AWS does not say what its functions compute.
    """
    least, most = float(chosen["minDelayTarget"]), float(chosen["maxDelayTarget"])
    immediate = int(chosen.get("numNoDelayRetries") or 0)
    before, after = int(chosen.get("numMinDelayRetries") or 0), int(chosen.get("numMaxDelayRetries") or 0)
    rest = max(0, int(chosen["numRetries"]) - immediate - before - after)
    steps = [least + (most - least) * step / max(1, rest - 1) for step in range(rest)]
    for seconds in [0.0] * immediate + [least] * before + steps + [most] * after:
        yield seconds / speed.factor()
