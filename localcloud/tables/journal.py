"""What a table was before each change: enough to say what it was at any moment since the journal began.

A journal is a list of what items were *before* they changed, so nothing has to be copied when it begins, and
a line that is written for a change that was never saved is harmless: undoing it changes nothing. Lines are
written before the change is made, in segments; the oldest is dropped when there are too many, and the journal
begins later then.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Item = dict[str, Any]
#: Partition and sort key as MiniStack stores them.
Key = tuple[str, str]

#: A table's journal takes 64 MB of the disk at most, and no memory.
_SEGMENT_BYTES = 8 * 1024 * 1024
_SEGMENTS = 8


class Journal:
    """One table's, in a directory of its own. Times are seconds since 1970. Any thread."""

    def __init__(self, directory: Path, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        #: When each segment began, by its number, the oldest first.
        self._began = {int(path.stem): _began(path) for path in sorted(directory.glob("*.jsonl"))}
        self._last = 0.0
        if self._began:
            newest = self._path(max(self._began))
            _end_line(newest)
            self._file = os.open(newest, os.O_WRONLY | os.O_APPEND)
            self._size = newest.stat().st_size
        else:
            self._begin_segment(1, time.time())

    def note(self, key: Key, before: Item | None) -> None:
        """Write down what an item is that is about to change, None for one that is new. Raises OSError."""
        with self._lock:
            # A clock that is set back must not put lines out of order.
            self._last = at = max(self._last, time.time())
            if self._size >= self._segment_bytes:
                number = max(self._began)
                os.close(self._file)
                self._begin_segment(number + 1, at)
                self._drop()
            self._append([at, *key, before])

    def earliest(self) -> float:
        """The first whole second that can be told: the one it began in, unless something was dropped."""
        with self._lock:
            oldest = min(self._began)
            return float((math.floor if oldest == 1 else math.ceil)(self._began[oldest]))

    def before(self, at: float) -> dict[Key, Item | None]:
        """What every item that changed after `at` was then; None for those that were not there."""
        found: dict[Key, Item | None] = {}
        with self._lock:
            for line in self._lines(at):
                when, partition, sort, item = json.loads(line)
                if when > at:
                    found.setdefault((partition, sort), item)
        return found

    def _lines(self, after: float) -> Iterator[bytes]:
        """Every line of the segments that have something later than `after`."""
        numbers = sorted(self._began)
        for number, following in zip(numbers, [*numbers[1:], None], strict=True):
            if following is None or self._began[following] > after:
                with self._path(number).open("rb") as file:
                    next(file)
                    yield from file

    def close(self) -> None:
        """Let go of the file; nothing can be noted any more."""
        os.close(self._file)

    def delete(self) -> None:
        """Close it, and remove it from the disk."""
        self.close()
        shutil.rmtree(self._directory)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}.jsonl"

    def _begin_segment(self, number: int, at: float) -> None:
        self._file = os.open(self._path(number), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        self._size = 0
        self._append({"began": at})
        self._began[number] = at

    def _append(self, value: Any) -> None:
        line = json.dumps(value).encode() + b"\n"
        written = os.write(self._file, line)
        self._size += written
        if written < len(line):
            os.ftruncate(self._file, self._size - written)
            self._size -= written
            raise OSError(f"{self._directory}: no room for a line of a table's journal")

    def _drop(self) -> None:
        for number in sorted(self._began)[:-_SEGMENTS]:
            self._path(number).unlink()
            del self._began[number]


def _began(path: Path) -> float:
    with path.open("rb") as file:
        return float(json.loads(file.readline())["began"])


def _end_line(path: Path) -> None:
    """Cut off a last line that is not whole, as a power cut leaves one."""
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)
