"""One timer for every health check, and the metrics they publish."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path

from localcloud import emulator
from localcloud.health import api
from localcloud.health.history import HISTORY, Record, healthy, healthy_children, records
from localcloud.health.probe import Observation, probe
from localcloud.health.settings import ENDPOINTS, REGIONS, interval, minute
from localcloud.rounds import Rounds

log = logging.getLogger("localcloud.health")

#: Where Route 53's metrics are.
_REGION = "us-east-1"


class Checkers:
    """Probes what is due. One probe stands for the checkers of all regions. Lives on the event loop."""

    def __init__(self, changed: Callable[..., None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._rounds = Rounds("health-checks", self._turn, minute())
        #: Checks came, went or changed.
        self.wake = self._rounds.wake
        self.start = self._rounds.start
        self._due: dict[str, float] = {}
        self._probing: dict[str, asyncio.Task[None]] = {}
        self._publish_at = 0.0
        #: What MeasureLatency has seen since metrics were last published.
        self._latencies: dict[str, list[Observation]] = {}

    async def stop(self) -> None:
        """End every probe; what was seen stays."""
        await self._rounds.stop()
        tasks = list(self._probing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _turn(self) -> float | None:
        """Do what is due; seconds until something is again, None when there is nothing to wait for."""
        now = self._loop.time()
        found = records()
        known = {check_id for _, check_id, _ in found}
        for gone in HISTORY.seen.keys() - known:
            del HISTORY.seen[gone]
        for gone in self._due.keys() - known:
            del self._due[gone]
        if not found:
            self._publish_at = 0.0
            return None
        for _, check_id, record in found:
            self._begin_due(check_id, record, now)
        if not self._publish_at:
            self._publish_at = now + minute()
        elif self._publish_at <= now:
            self._publish_at = now + minute()
            for account, check_id, record in found:
                self._publish(account, check_id, record)
            self._changed(slow=True)
        return max(0.0, min([self._publish_at, *self._due.values()]) - now)

    def _begin_due(self, check_id: str, record: Record, now: float) -> None:
        config = record["config"]
        if config["Type"] not in ENDPOINTS or config.get("Disabled"):
            self._due.pop(check_id, None)
        elif self._due.get(check_id, 0.0) <= now:
            self._due[check_id] = now + interval(config)
            if check_id not in self._probing:
                task = self._loop.create_task(self._probe(check_id, record), name=f"probe-{check_id}")
                self._probing[check_id] = task
                task.add_done_callback(lambda _: self._probing.pop(check_id, None))

    async def _probe(self, check_id: str, record: Record) -> None:
        config = record["config"]
        seen = await probe(check_id, config)
        history = HISTORY.of(check_id)
        at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if history.observe(seen.healthy, seen.text, at, int(config["FailureThreshold"])):
            log.info("health check %s: %s", check_id, seen.text)
        if config.get("MeasureLatency"):
            self._latencies.setdefault(check_id, []).append(seen)
        self._changed(slow=True)

    def _publish(self, account: str, check_id: str, record: Record) -> None:
        config = record["config"]
        measured: list[tuple[str, float, str, dict[str, str]]] = [
            ("HealthCheckStatus", float(healthy(account, check_id)), "None", {})
        ]
        if config["Type"] == "CALCULATED":
            children = healthy_children(account, check_id, config)
            measured.append(("ChildHealthCheckHealthyCount", float(children), "None", {}))
        if config["Type"] in ENDPOINTS and not config.get("Disabled") and HISTORY.of(check_id).checked:
            share = 100.0 if HISTORY.of(check_id).text.startswith("Success") else 0.0
            measured.append(("HealthCheckPercentageHealthy", share, "Percent", {}))
        for seen in self._latencies.pop(check_id, []):
            times = {"ConnectionTime": seen.connection, "SSLHandshakeTime": seen.handshake,
                     "TimeToFirstByte": seen.first_byte}  # fmt: skip
            for name, value in times.items():
                if value is not None:
                    where = [{}, *({"Region": region} for region in config.get("Regions") or REGIONS)]
                    measured += [(name, value, "Milliseconds", dimension) for dimension in where]
        cloudwatch = emulator.module("services.cloudwatch")
        with emulator.module("core.responses").request_scope(account, _REGION):
            for name, value, unit, more in measured:
                cloudwatch.record_metric(
                    "AWS/Route53", name, value, unit, {"HealthCheckId": check_id, **more}
                )


_current: Checkers | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None]) -> None:
    """Answer for health checks; before the saved state is loaded."""
    del state_dir, gateway_url, cloud_id
    global _current
    checkers = _current = Checkers(changed)
    api.install(checkers.wake)


async def start() -> None:
    """Begin probing what there are records of."""
    if _current is not None:
        _current.start()


async def stop() -> None:
    """End every probe."""
    global _current
    if _current is not None:
        await _current.stop()
        _current = None


def wake() -> None:
    """Look at the records again, which something other than the API has changed."""
    if _current is not None:
        _current.wake()
