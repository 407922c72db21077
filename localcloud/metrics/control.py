"""The running half of CloudWatch: publishes and evaluates on time, with one timer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from localcloud.ecs import control as ecs
from localcloud.metrics import api, clock, counters, dashboards, embedded, filters, publish, requests
from localcloud.metrics.alarms import Alarms
from localcloud.metrics.services import Services
from localcloud.metrics.store import STORE
from localcloud.rounds import Rounds
from localcloud.signals import budget

#: The shortest period in which anything is published.
_TICK = 20


class Monitoring:
    """CloudWatch's work of its own."""

    def __init__(self, state: Path, changed: Callable[..., None]) -> None:
        self._changed = changed
        self.alarms = Alarms(changed)
        self._services = Services(state / "tasks", ecs.docker_client)
        self._minute = self._slot = 0
        self._rounds = Rounds("metrics", self._turn)

    def _turn(self) -> float:
        """Tick at the end of every period of 20 s; seconds until the next one ends."""
        now = time.time()
        ended, self._slot = self._slot, clock.slot(now, _TICK)
        if ended < self._slot:
            self.tick(now)
        # The part beyond the period's end is for clocks that wake a little early.
        return (clock.slot(time.time(), _TICK) + 1) * clock.seconds(_TICK) - time.time() + 0.001

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
        now = time.time()
        self._minute, self._slot = clock.slot(now, 60), clock.slot(now, _TICK)
        self.alarms.resume()
        self._rounds.start()

    async def stop(self) -> None:
        """End; what was counted since the last minute is lost."""
        await self._rounds.stop()
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
