"""Saving: everything the cloud acknowledged is on disk before the caller hears of it.

MiniStack saves only when it is told to stop. Here every request that may have changed something waits for a
save
that began after it, and requests that come close together share one; so `kill -9` loses nothing that was
acknowledged. Log events and metric data arrive without a request worth waiting for: they are saved every
`SLOW_SECONDS` at most, and that much of them a `kill -9` may lose. Files are replaced whole, never written
in place,
but not forced to the disk: a power cut may lose what the operating system had not written yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.state import write_atomically

log = logging.getLogger("localcloud.persistence")

SLOW_SECONDS = 5.0

#: What grows with traffic instead of with requests to the API; `changed(slow=True)` is about nothing else.
SLOW = frozenset({"cloudwatch_logs", "metrics", "health-checks"})

#: How long a save waits for others to join it.
_GATHER_SECONDS = 0.01


class Saver:
    """Writes the state of every service that changed, one file each, off the event loop."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._own: dict[str, Callable[[], Any]] = {}
        self._written: dict[str, bytes] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._changed = False
        self._slow_changed = False
        self._slow_due = 0.0
        self._observers: list[Callable[[], None]] = []
        self.failure: str | None = None

    def observe(self, observer: Callable[[], None]) -> None:
        """Call `observer` on the event loop whenever something other than SLOW may have changed."""
        self._observers.append(observer)

    def _note(self) -> None:
        self._wake.set()
        for observer in self._observers:
            observer()

    def add(self, name: str, state: Callable[[], Any]) -> Any:
        """Keep one more thing, in `<name>.json`; returns what was saved of it before, None at first.

        `state` returns something JSON can hold; it is called on the event loop.
        """
        self._own[name] = state
        path = self._directory / f"{name}.json"
        return json.loads(path.read_bytes())["payload"] if path.exists() else None

    @property
    def pending(self) -> bool:
        """Whether something changed that is not on disk yet; what is answered meanwhile waits for it."""
        return self._changed or bool(self._waiting)

    def changed(self, slow: bool = False) -> None:
        """Something changed that no request waits for: save it soon (`slow`: within SLOW_SECONDS).

        Call it on the event loop's thread.
        """
        if slow:
            self._slow_changed = True
            self._wake.set()
        else:
            self._changed = True
            self._note()

    async def flush(self) -> None:
        """Return when everything there is now is on disk; raises OSError (or TypeError) when it cannot be."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._note()
        await done

    async def run(self) -> None:
        """Save whenever something changed, until cancelled; then save once more."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                if not self.pending:
                    # Only slow things changed: leave time for more, unless a request comes first.
                    self._wake.clear()
                    try:
                        await asyncio.wait_for(self._wake.wait(), max(0.0, self._slow_due - loop.time()))
                    except TimeoutError:
                        self._wake.set()
                    if not self.pending and loop.time() < self._slow_due:
                        continue
                await asyncio.sleep(_GATHER_SECONDS)
                self._wake.clear()
                await self._save_for(self._waiting, loop)
        finally:
            self.save_now()

    async def _save_for(self, waiting: list[asyncio.Future[None]], loop: asyncio.AbstractEventLoop) -> None:
        everything = self.pending
        self._waiting = []
        self._changed = False
        slow = self._slow_changed and loop.time() >= self._slow_due
        if slow:
            self._slow_changed = False
            self._slow_due = loop.time() + SLOW_SECONDS
        elif self._slow_changed:
            loop.call_at(self._slow_due, self._wake.set)
        try:
            changed = self._collect(everything, slow)
            await asyncio.to_thread(self._write, changed)
        except (OSError, TypeError, ValueError) as exc:
            self._failed(exc)
            self._changed = True
            for future in waiting:
                if not future.done():
                    future.set_exception(exc)
            return
        self.failure = None
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def save_now(self) -> None:
        """Save everything in this call; for the end of the process. Failures are logged."""
        try:
            self._write(self._collect(everything=True, slow=True))
        except (OSError, TypeError, ValueError) as exc:
            self._failed(exc)

    def _failed(self, exc: Exception) -> None:
        self.failure = f"the state could not be saved in {self._directory}: {exc}"
        log.error("%s", self.failure)

    def _collect(self, everything: bool, slow: bool) -> dict[str, bytes]:
        """The files whose content is not what was last written: `slow` ones, and all the others."""
        persistence = emulator.module("core.persistence")
        states: dict[str, Callable[[], Any]] = emulator.module("app")._build_persistence_save_dict()
        changed = {}
        for name, get in {**states, **self._own}.items():
            if not (slow if name in SLOW else everything):
                continue
            state = get()
            if state is None:
                continue
            wrapped = {"__ministack_format__": persistence._state_format_version(name), "payload": state}
            content = json.dumps(wrapped, default=persistence._json_default).encode()
            if self._written.get(name) != hashlib.blake2b(content).digest():
                changed[name] = content
        return changed

    def _write(self, changed: dict[str, bytes]) -> None:
        for name, content in changed.items():
            write_atomically(self._directory / f"{name}.json", content)
            self._written[name] = hashlib.blake2b(content).digest()


#: Actions that only read, by the first word of their name. Anything else counts as a change.
_READING = (
    "BatchCheck", "BatchGet", "Describe", "Detect", "Estimate", "Get", "Head", "List", "Lookup", "Query",
    "Scan",
    "Select", "Test", "TransactGet", "Validate",
)  # fmt: skip


def may_change(method: str, target: str, body: bytes) -> bool:
    """Whether a request may change state, judged by its action's name.

    `target` is the `X-Amz-Target` header; `body` the first part of the body, where the query protocol has
    `Action=`.
    """
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    action = target.rpartition(".")[2]
    if not action:
        for part in body[:4096].split(b"&"):
            if part.startswith(b"Action="):
                action = part[len(b"Action=") :].decode("latin-1")
    return not action.startswith(_READING)
