"""Requests that are held: many at once, each on a connection of its own, answered as late as they ask for."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from stack.drill.stage import Stage
from stack.drill.traffic import headers

_THREADS = 32


def request(stage: Stage, seconds: float) -> socket.socket:
    """Send an echo that is to be answered after so many seconds; returns its connection."""
    connection = stage.address.connection()
    asked = headers(stage.token, f"delay={seconds:g}")
    connection.request("POST", "/echo", json.dumps({"str": "drill"}), asked)
    return connection.sock


def many(stage: Stage, stack: ExitStack, number: int, seconds: float) -> list[socket.socket]:
    """Send so many of them at once; returns their connections, which the stack closes.

    One after the other they would be answered before there are many: a handshake takes some round trips.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda _: stack.enter_context(request(stage, seconds)), range(number)))


def answers(held: Sequence[socket.socket], seconds: float) -> Counter[int]:
    """Statuses of those that are answered within so many seconds."""
    found: Counter[int] = Counter()
    with selectors.DefaultSelector() as selector:
        for sock in held:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, sock)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and selector.get_map():
            for key, _ in selector.select(left):
                try:
                    line = key.data.recv(64)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue  # what came was TLS's own
                except OSError:
                    line = b""
                selector.unregister(key.fileobj)
                with contextlib.suppress(ValueError, IndexError):
                    found[int(line.split(b" ", 2)[1])] += 1
    return found
