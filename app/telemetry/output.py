"""Writes to a pipe that may get stuck, without the event loop ever waiting for it.

A thread does the writing, all that waits at once: each write costs it the interpreter's lock, so many small
ones would cost the loop dearly. What waits is bounded; beyond the bound it is dropped, and counted. Workers
share one pipe, so a write is made under a lock that they share too: no line is torn apart by another's.
"""

from __future__ import annotations

import fcntl
import os
import queue
import tempfile
import threading
import time

LIMIT = 4 * 1024 * 1024
"""Bytes that may wait for the reader; more than ten thousand log lines."""


def make_lock() -> int:
    """A lock for `Output`s in several processes, to be made before they are forked: a file in memory."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output-lock")
    return os.dup(tempfile.TemporaryFile().fileno())


class Output:
    """One file descriptor's queue. `put` is for one thread, or under a lock of the caller's."""

    def __init__(self, descriptor: int, lock: int | None = None, limit: int = LIMIT) -> None:
        """`lock`: what `make_lock` made before the fork, where several processes write to the descriptor."""
        self._lock = lock
        self._descriptor = descriptor
        self._limit = limit
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Each changed by one side only: their difference is what waits.
        self._taken = 0
        self._given = 0
        self._dropped = [0, 0]  # lines: for want of room; by a failed write. Each changed by one side only
        self._told = 0
        # A daemon: a reader that is stuck for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._write, name=f"output-{descriptor}", daemon=True)
        self._thread.start()

    def put(self, piece: bytes) -> bool:
        """Have `piece` written, all of it or nothing; False: dropped, because too much waits already."""
        if self._given - self._taken + len(piece) > self._limit:
            self._dropped[0] += piece.count(b"\n")
            return False
        self._given += len(piece)
        self._queue.put(piece)
        return True

    def take_dropped(self) -> int:
        """How many lines were dropped since this was last asked."""
        dropped = sum(self._dropped)
        since, self._told = dropped - self._told, dropped
        return since

    def close(self, seconds: float) -> None:
        """Wait until everything is written, for `seconds` at most."""
        self._queue.put(None)
        self._thread.join(seconds)

    def _write(self) -> None:
        more = True
        while more:
            pieces = [self._queue.get()]
            while not self._queue.empty():
                pieces.append(self._queue.get())
            more = pieces[-1] is not None
            data = b"".join(filter(None, pieces))
            if data:
                self._write_out(data)
                self._taken += len(data)

    def _write_out(self, data: bytes) -> None:
        if self._lock is not None:
            fcntl.lockf(self._lock, fcntl.LOCK_EX)
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody made the pipe non-blocking
                time.sleep(0.01)
            except OSError:
                # Its reader is gone, or its file system is full. Serving goes on; nobody can be told but
                # whoever looks at the count.
                self._dropped[1] += bytes(rest).count(b"\n")
                break
        if self._lock is not None:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)


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
