"""The running half of CloudWatch: publishes and evaluates on time, with one timer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from localcloud.ecs import control as ecs
from localcloud.metrics import api, clock, counters, dashboards, embedded, filters, publish, requests
from localcloud.metrics.alarms import Alarms
from localcloud.metrics.services import Services
from localcloud.metrics.store import STORE
from localcloud.signals import budget

log = logging.getLogger("localcloud.metrics")

#: The shortest period in which anything is published.
_TICK = 20


class Monitoring:
    """CloudWatch's work of its own."""

    def __init__(self, state: Path, changed: Callable[..., None]) -> None:
        self._changed = changed
        self.alarms = Alarms(changed)
        self._services = Services(state / "tasks", ecs.docker_client)
        self._minute = 0
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Tick at the end of every period of 20 s."""
        while True:
            now = time.time()
            # The part beyond the period's end is for clocks that wake a little early.
            await asyncio.sleep((clock.slot(now, _TICK) + 1) * clock.seconds(_TICK) - now + 0.001)
            try:
                self.tick(time.time())
            except Exception:
                # One bad minute must not be the last.
                log.exception("metrics could not be published")

    def tick(self, now: float) -> None:
        """Publish what is due at `now`, and evaluate the alarms whose period has ended."""
        minute = clock.slot(now, 60)
        ended = minute > self._minute
        if ended:
            # After a delay of more than a minute all of it counts for the last one.
            publish.counted(counters.take(), (minute - 1) * clock.seconds(60))
            self._minute = minute
            filters.publish_defaults(minute * clock.seconds(60))
            budget.publish(minute * clock.seconds(60))
            if minute % 60 == 0:
                # A day, as AWS counts it here: the metrics of what was deleted.
                STORE.forget(now - clock.seconds(86400))
        self.alarms.evaluate(now, fast_only=not ended)
        publish.health(minute * clock.seconds(60))
        self._services.publish(clock.begin(now, _TICK))
        if STORE.touched:
            STORE.touched = False
            self._changed(True)

    def start(self) -> None:
        """Begin."""
        self._minute = clock.slot(time.time(), 60)
        self.alarms.resume()
        self._running = asyncio.get_running_loop().create_task(self.run(), name="metrics")

    async def stop(self) -> None:
        """End; what was counted since the last minute is lost."""
        if self._running:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        await self._services.stop()


_current: Monitoring | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[..., None]) -> None:
    """Take CloudWatch's metrics and alarms over; on the event loop, before the saved state is loaded."""
    del gateway_url, cloud_id
    global _current
    _current = Monitoring(state_dir, changed)
    _current.alarms.install()
    api.install(changed)
    embedded.install()
    filters.install()
    dashboards.install()
    requests.install()


async def start() -> None:
    """Begin to publish and to evaluate."""
    if _current is None:
        raise RuntimeError("metrics.install comes first")
    _current.start()


async def stop() -> None:
    """Stop what `start` began."""
    global _current
    if _current is not None:
        await _current.stop()
        _current = None
