"""What ECS publishes: processor and memory of its services' tasks, and how many tasks there are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.metrics import clock, usage
from localcloud.metrics.store import STORE, Dimensions
from localcloud.threads import in_thread

log = logging.getLogger("localcloud.metrics")

#: Looking at all processes more often than this would itself be work.
_LEAST_SECONDS = 1.0
_MEBIBYTE = 1024 * 1024

Task = dict[str, Any]


class Services:
    """Measures the tasks of all services, on a thread, and publishes what it found last."""

    def __init__(self, records: Path, engine: Callable[[], Any]) -> None:
        self._records, self._engine = records, engine
        self._measuring: asyncio.Task[None] | None = None
        self._measured_at = 0.0
        self._before: dict[str, usage.Usage] = {}
        #: Percent of what a task may use, processor and memory, by its ARN.
        self._percent: dict[str, tuple[float, float]] = {}

    def publish(self, at: float) -> None:
        """Publish for the time `at` (seconds since 1970), and measure anew."""
        ecs = emulator.module("services.ecs")
        responses = emulator.module("core.responses")
        running: dict[tuple[str, str], list[Task]] = {
            (account, region): [] for (account, region, _), _ in ecs._services.all_items()
        }
        for (account, region, _), task in ecs._tasks.all_items():
            if task["lastStatus"] == "RUNNING":
                running.setdefault((account, region), []).append(task)
        tasks = [task for of_region in running.values() for task in of_region]
        for (account, region), of_region in running.items():
            with responses.request_scope(account, region):
                self._publish(of_region, at)
        idle = self._measuring is None or self._measuring.done()
        due = time.monotonic() - self._measured_at >= max(_LEAST_SECONDS, clock.seconds(20) * 0.9)
        if tasks and idle and due:
            self._measuring = asyncio.get_running_loop().create_task(self._measure(tasks))

    def _publish(self, tasks: list[Task], at: float) -> None:
        for service, dimensions in _services():
            mine = [t for t in tasks if t.get("group") == f"service:{service['serviceName']}"
                    and t["clusterArn"] == service["clusterArn"]]  # fmt: skip
            for task in mine:
                if task["taskArn"] in self._percent:
                    for each in (dimensions, {"ClusterName": dimensions["ClusterName"]}):
                        for name, percent in zip(
                            ("CPUUtilization", "MemoryUtilization"),
                            self._percent[task["taskArn"]],
                            strict=True,
                        ):
                            STORE.metric("AWS/ECS", name, each, "Percent").at(at).add(percent)
            if _has_insights(service):
                for name, key in (("RunningTaskCount", "runningCount"), ("PendingTaskCount", "pendingCount"),
                                  ("DesiredTaskCount", "desiredCount")):  # fmt: skip
                    metric = STORE.metric("ECS/ContainerInsights", name, dimensions, "Count")
                    metric.at(at).add(float(service[key]))

    async def _measure(self, tasks: list[Task]) -> None:
        identities = {
            c["runtimeId"]: task for task in tasks for c in task["containers"] if c.get("runtimeId")
        }
        try:
            engine = self._engine()
            found = await in_thread(lambda: usage.of_containers(self._records, list(identities), engine))
        except Exception:
            log.exception("the usage of tasks could not be measured")
            return
        now = time.monotonic()
        passed, self._measured_at = now - self._measured_at, now
        percent: dict[str, tuple[float, float]] = {}
        for identity, (seconds, memory) in found.items():
            if identity not in self._before:
                continue
            task = identities[identity]
            cpu = (seconds - self._before[identity][0]) / passed / (int(task["cpu"]) / 1024) * 100
            share = memory / (int(task["memory"]) * _MEBIBYTE) * 100
            before = percent.get(task["taskArn"], (0.0, 0.0))
            percent[task["taskArn"]] = (before[0] + max(0.0, cpu), before[1] + share)
        self._before, self._percent = found, percent

    async def stop(self) -> None:
        """Wait for no measurement under way: an engine may hang."""
        if self._measuring:
            self._measuring.cancel()
            await asyncio.gather(self._measuring, return_exceptions=True)


def _services() -> Iterator[tuple[dict[str, Any], Dimensions]]:
    """The active services of the region, with their dimensions."""
    for service in emulator.module("services.ecs")._services.values():
        if service["status"] == "ACTIVE":
            cluster = service["clusterArn"].rpartition("/")[2]
            yield service, {"ClusterName": cluster, "ServiceName": service["serviceName"]}


def _has_insights(service: dict[str, Any]) -> bool:
    cluster = emulator.module("services.ecs")._clusters.get(service["clusterArn"].rpartition("/")[2]) or {}
    return any(
        setting["name"] == "containerInsights" and setting["value"] in ("enabled", "enhanced")
        for setting in cluster.get("settings") or []
    )
