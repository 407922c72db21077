"""What makes a deployment fail: tasks that never get healthy, and alarms."""

from __future__ import annotations

import math
import time

from localcloud.ecs import alarms, announce, deployments
from localcloud.ecs.records import Record, ecs, event, now
from localcloud.ecs.serving import healthy

#: After so many failures in a row, and each time after as many more, a service is said to be impaired.
_IMPAIRED = 3
#: Pause before the next start after failures in a row, in seconds for each of them, and at most.
_BACKOFF, BACKOFF_MOST = 0.5, 10.0


def breaker_threshold(service: Record) -> int:
    """How many failures in a row trip the breaker: half the desired count, but 3 to 200."""
    breaker = (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    config = breaker.get("thresholdConfiguration") or {}
    kind, value = config.get("type", "BOUNDED_PERCENT"), float(config.get("value", 50))
    if kind == "COUNT":
        return max(1, int(value))
    share = math.ceil(value * int(service["desiredCount"]) / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


class Failures:
    """Counts the failures of every service's deployment. Lives on the event loop."""

    def __init__(self) -> None:
        self._not_before: dict[str, float] = {}

    def may_start(self, deployment: Record) -> bool:
        """Whether enough time passed since the last failure."""
        return time.monotonic() >= self._not_before.get(deployment["id"], 0)

    def pause(self, deployment: Record, seconds: float) -> None:
        """Start no task of it for some seconds."""
        self._not_before[deployment["id"]] = time.monotonic() + seconds

    def count(self, service: Record, wanted: Record) -> None:
        """Count the tasks of a deployment that failed since the last time."""
        breaker = (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
        for task in ecs()._tasks.values():
            ours = task.get("_deployment_id") == wanted["id"] and task.get("_started_by_us")
            if not ours or task.get("_counted"):
                continue
            if healthy(service, task):
                if not task.get("_was_healthy"):
                    task["_was_healthy"] = True
                    if breaker.get("resetOnHealthyTask", True):
                        wanted["failedTasks"] = 0
                    self._not_before.pop(wanted["id"], None)
                continue
            failed = task.get("_failed") or task.get("stopCode") in (
                "EssentialContainerExited",
                "TaskFailedToStart",
            )
            if failed and task["desiredStatus"] == "STOPPED":
                self._count_one(service, wanted, task)

    def _count_one(self, service: Record, wanted: Record, task: Record) -> None:
        task["_counted"] = True
        failures = wanted["failedTasks"] = wanted["failedTasks"] + 1
        wanted["updatedAt"] = now()
        self.pause(wanted, min(_BACKOFF * failures, BACKOFF_MOST))
        if failures % _IMPAIRED == 0:
            event(service, "is unable to consistently start tasks successfully.")
            announce.action(service, "SERVICE_TASK_START_IMPAIRED")
        why = deployments.why(task)
        wanted["_reasons"] = [why, *wanted.get("_reasons", [])][:20]
        identity = task["taskArn"].rsplit("/", 1)[1]
        if task.get("stopCode") == "TaskFailedToStart":
            event(service, f"was unable to place or start (task {identity}): {task['stoppedReason']}")
        elif not task.get("_failed"):
            event(service, f"(task {identity}) stopped: {why}")

    @staticmethod
    def verdict(service: Record, wanted: Record) -> tuple[deployments.Cause, bool] | None:
        """Why the deployment has failed, and whether to go back then; None while it has not."""
        if wanted["rolloutState"] != "IN_PROGRESS" or wanted.get("_stage") == "CLEAN_UP":
            return None
        config = service.get("deploymentConfiguration") or {}
        breaker = config.get("deploymentCircuitBreaker") or {}
        threshold = wanted["_threshold"] = breaker_threshold(service)
        if breaker.get("enable") and wanted["failedTasks"] >= threshold:
            return deployments.BREAKER, bool(breaker.get("rollback"))
        if found := alarms.triggered(wanted.get("_alarms") or []):
            wanted["_triggered"] = found
            return deployments.alarm(found), bool(wanted["_config"]["alarms"]["rollback"])
        return None
