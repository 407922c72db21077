"""What the probe measures: echoes of a live token, then how long a revoked one goes on working."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from app.probe.client import Client, EchoSocket, ProbeError, RefusedError, StoppedError
from app.probe.result import Result
from app.probe.texts import SCRIPT

LIMIT_SECONDS = 300.0
"""Within so many seconds nothing may accept a revoked token any more: the service's objective."""
# Tries go on for so long after the limit, so that one that was still accepted then is seen.
MARGIN_SECONDS = 15.0
INTERVAL_SECONDS = 0.25
_SHOWN = 20
_GIVE_UP = 5


def echoes(client: Client, texts: list[str], result: Result) -> EchoSocket | None:
    """Send each of `texts` in two spellings over HTTP, and over one WebSocket; leaves that one open.

    Gives up a way after a few strings in a row that nothing answered: a service that hangs takes its time.
    """
    unanswered = 0
    for text, escaped in itertools.product(texts, (True, False)):
        unanswered = 0 if _http(client, text, escaped=escaped, result=result) else unanswered + 1
        if unanswered >= _GIVE_UP:
            result.complain("HTTP: gave up, the other strings were not sent")
            break
    try:
        socket = client.websocket()
    except ProbeError as error:
        result.echoes += 1
        result.failures += 1
        result.complain(f"WebSocket: {error}")
        return None
    for text in texts:
        result.echoes += 1
        try:
            _compare("WebSocket", text, socket.echo(text), result)
        except ProbeError as error:
            result.failures += 1
            result.complain(f"WebSocket: {error}; the other strings were not sent", _shown(text))
            socket.close()
            return None
    return socket


def _http(client: Client, text: str, *, escaped: bool, result: Result) -> bool:
    """Send one string; whether anything that echoes or stops strings answered."""
    try:
        came, took = client.echo(text, escaped=escaped)
    except ProbeError as error:
        if isinstance(error, StoppedError) and text == SCRIPT:
            result.stopped += 1
            return True
        result.echoes += 1
        result.failures += 1
        result.complain(f"HTTP: {error}", _shown(text))
        return False
    result.echoes += 1
    result.latencies.append(round(took, 3))
    _compare("HTTP", text, came, result)
    return True


def _compare(way: str, text: str, came: str | None, result: Result) -> None:
    if came != text:
        result.mismatches += 1
        what = "another string" if came is not None else "no string"
        result.complain(f"{way}: {what} came back", f"{_shown(text)}: {_shown(came or '')}")


def _shown(text: str) -> str:
    cut = ascii(text[:_SHOWN])
    return cut if len(text) <= _SHOWN else f"{cut}... ({len(text)} characters)"


def revocation(
    client: Client,
    socket: EchoSocket | None,
    result: Result,
    refusals: int,
    limit: float = LIMIT_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Try the token, revoked just now, until `refusals` tries in a row were refused, or the limit is past.

    A try is a message while the WebSocket is open, then a request on a new connection. What is neither an
    echo nor a refusal (no answer, 503) says nothing about the token: it neither counts nor begins a new row.
    """
    revoked = time.monotonic()
    refused_since: float | None = None
    in_a_row = 0
    unclear = ""
    while time.monotonic() - revoked < limit + MARGIN_SECONDS:
        try:
            socket, over_socket = _message(socket)
            if over_socket:
                accepted = "a WebSocket that is open still echoes"
            else:
                client.echo("revoked", escaped=True)
                accepted = "a request is still answered"
        except RefusedError:
            in_a_row += 1
            if refused_since is None:
                refused_since = time.monotonic() - revoked
                say(f"refused after {refused_since:.1f} s; waiting for {refusals} refusals in a row")
            if in_a_row >= refusals:
                break
        except ProbeError as error:
            unclear = str(error)
        else:
            if refused_since is not None:
                say(f"accepted again after {time.monotonic() - revoked:.1f} s: {accepted}")
            refused_since, in_a_row = None, 0
        time.sleep(INTERVAL_SECONDS)
    if socket is not None:
        socket.close()
    if in_a_row >= refusals and refused_since is not None:
        result.delay = round(refused_since, 3)
    result.overdue = result.delay is None or result.delay > limit
    if result.overdue:
        seen = f"; the last unclear answer was: {unclear}" if unclear else ""
        after = "" if result.delay is None else f", only after {result.delay:.0f} s"
        result.complain(f"revocation: not refused everywhere within {limit:g} s{after}{seen}")


def _message(socket: EchoSocket | None) -> tuple[EchoSocket | None, bool]:
    """Try an open WebSocket: whether it is still open, and whether it echoed."""
    if socket is None:
        return None, False
    try:
        socket.echo("revoked")
    except ProbeError:  # closed, because the token was refused or for whatever reason: it echoes no more
        socket.close()
        return None, False
    return socket, True
