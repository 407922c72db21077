"""Idle keep-alive connections to one target."""

from __future__ import annotations

import asyncio
import select
import time

from localcloud.balancer.buffered import held

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: A connection idle for less than this is not about to be closed by any sensible keep-alive timer.
YOUNG_SECONDS = 1.0


class Pool:
    """Connections that can take another request, the one used last on top. Lives on the event loop."""

    def __init__(self) -> None:
        #: With the time of its last use, and the time up to which it may be used, both monotonic.
        self._idle: list[tuple[Connection, float, float]] = []

    def __len__(self) -> int:
        return len(self._idle)

    def give(self, connection: Connection, seconds: float) -> None:
        """Keep a connection, for `seconds` at most."""
        now = time.monotonic()
        self._idle.append((connection, now, now + seconds))

    def take(self, young: bool = False) -> Connection | None:
        """A connection that the target has not closed, None when there is none.

        `young`: only one that was just used, for a request that cannot be sent again should the target
        close the connection at this very moment.
        """
        now = time.monotonic()
        while self._idle:
            connection, since, end = self._idle[-1]
            if young and now - since >= YOUNG_SECONDS:
                return None
            self._idle.pop()
            if now < end and _is_open(connection):
                return connection
            connection[1].close()
        return None

    def prune(self) -> None:
        """Close what the target has closed, and what has been idle for too long."""
        now = time.monotonic()
        kept = []
        for entry in self._idle:
            if now < entry[2] and _is_open(entry[0]):
                kept.append(entry)
            else:
                entry[0][1].close()
        self._idle = kept

    def close(self) -> None:
        """Close all of them."""
        while self._idle:
            self._idle.pop()[0][1].close()


def _is_open(connection: Connection) -> bool:
    reader, writer = connection
    # Bytes that nobody asked for would be taken for the next answer.
    if writer.is_closing() or reader.at_eof() or held(reader):
        return False
    # The loop may not have seen yet what the kernel knows: anything to read here is the connection's end.
    poll = select.poll()
    poll.register(writer.get_extra_info("socket").fileno(), select.POLLIN)
    return not poll.poll(0)
