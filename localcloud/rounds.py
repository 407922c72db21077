"""Work that is done again and again: whenever something happened, and when it is time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

log = logging.getLogger("localcloud")

#: What happens comes in bursts: this long after a turn the next one may follow.
_GATHER_SECONDS = 0.02


class Rounds:
    """Calls `turn` on the event loop until it is stopped.

    `turn` answers with the seconds until it is to be called again, None for only when something happened. One
    that fails is logged, and the next one follows after `again` seconds: no bad turn is the last.
    """

    def __init__(self, name: str, turn: Callable[[], float | None], again: float = 1.0) -> None:
        self._name, self._turn, self._again = name, turn, again
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._happened = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        #: Whether something happened before this turn, and not only time passed.
        self.woken = False

    def wake(self, *_: Any) -> None:
        """Something happened. Any thread."""
        if threading.get_ident() == self._thread:
            self._happened.set()
            return
        with suppress(RuntimeError):  # The loop is closed already.
            self._loop.call_soon_threadsafe(self._happened.set)

    def start(self) -> None:
        """Begin, with a turn at once."""
        self._running = self._loop.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """No turn comes after this."""
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self.woken = self._happened.is_set()
            self._happened.clear()
            try:
                seconds = self._turn()
            except Exception:
                log.exception("%s: a turn failed", self._name)
                seconds = self._again
            until = None if seconds is None else self._loop.time() + seconds
            await asyncio.sleep(_GATHER_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._happened.wait()
