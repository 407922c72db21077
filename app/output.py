"""Writes to a pipe that may get stuck, without the event loop ever waiting for it.

A thread does the writing. What waits for it is bounded; beyond the bound it is dropped, and counted.
"""

from __future__ import annotations

import os
import queue
import threading
import time

# Several processes share the pipe, and only writes of up to PIPE_BUF bytes are never torn apart by another's.
PIECE = 4096
LIMIT = 4 * 1024 * 1024
"""Bytes that may wait for the reader; more than ten thousand log lines."""


class Output:
    """One file descriptor's queue. `put` is for one thread, or under a lock of the caller's."""

    def __init__(self, descriptor: int, limit: int = LIMIT) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Each changed by one side only: their difference is what waits.
        self._taken = 0
        self._given = 0
        self._dropped = [0, 0]  # pieces: for want of room; by a failed write. Each changed by one side only
        self._told = 0
        # A daemon: a reader that is stuck for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._write, name=f"output-{descriptor}", daemon=True)
        self._thread.start()

    def put(self, piece: bytes) -> bool:
        """Have `piece` written, all of it or nothing; False: dropped, because too much waits already."""
        if self._given - self._taken + len(piece) > self._limit:
            self._dropped[0] += 1
            return False
        self._given += len(piece)
        self._queue.put(piece)
        return True

    def take_dropped(self) -> int:
        """How many pieces were dropped since this was last asked."""
        dropped = sum(self._dropped)
        since, self._told = dropped - self._told, dropped
        return since

    def close(self, seconds: float) -> None:
        """Wait until everything is written, for `seconds` at most."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        while (piece := self._queue.get()) is not None:
            rest = piece
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # somebody made the pipe non-blocking
                    time.sleep(0.01)
                except OSError:
                    # Its reader is gone, or its file system is full. Serving goes on; nobody can be told but
                    # whoever looks at the count.
                    self._dropped[1] += 1
                    break
            self._taken += len(piece)


class OutputStream:
    """A text stream on an Output, in the place of `sys.stderr`: what logs there must not wait either."""

    encoding = "utf-8"

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()  # loggers are used by several threads

    def write(self, text: str) -> int:
        """Have `text` written, or dropped if too much waits."""
        with self._lock:
            self._output.put(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing to do: what was written is on its way."""
