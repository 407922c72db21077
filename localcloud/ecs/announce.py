"""What tasks, services and deployments do, and who hears of it. All calls are made on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud.ecs.records import Record

#: Called with a task's record after it changed.
TaskListener = Callable[[Record], None]
#: Called with a service's record, the detail type and the detail of what it did.
ServiceListener = Callable[[Record, str, Record], None]

_tasks: list[TaskListener] = []
_services: list[ServiceListener] = []

#: What service actions and deployments are called, and how serious each is.
KINDS = {
    "SERVICE_STEADY_STATE": "INFO",
    "SERVICE_DESIRED_COUNT_UPDATED": "INFO",
    "TASKS_STOPPED": "INFO",
    "SERVICE_TASK_START_IMPAIRED": "WARN",
    "SERVICE_TASK_CONFIGURATION_FAILURE": "ERROR",
    "SERVICE_TASK_PLACEMENT_FAILURE": "ERROR",
    "SERVICE_REBALANCING_STARTED": "INFO",
    "SERVICE_REBALANCING_COMPLETED": "INFO",
    "SERVICE_DEPLOYMENT_IN_PROGRESS": "INFO",
    "SERVICE_DEPLOYMENT_COMPLETED": "INFO",
    "SERVICE_DEPLOYMENT_FAILED": "ERROR",
}


def listen(task: TaskListener, service: ServiceListener) -> None:
    """Call these from now on."""
    _tasks.append(task)
    _services.append(service)


def forget() -> None:
    """Call nobody any more."""
    _tasks.clear()
    _services.clear()


def task(record: Record) -> None:
    """A task is new, or is to stop."""
    for listener in _tasks:
        listener(record)


def move(record: Record, status: str, **members: Any) -> None:
    """Put a task into its next status; every change counts its version up."""
    record["lastStatus"] = status
    record["version"] = int(record.get("version") or 1) + 1
    record.update(members)
    task(record)


def action(service: Record, name: str, reason: str = "") -> None:
    """A service did something; `name` is one of `KINDS`."""
    detail = {"eventType": KINDS[name], "eventName": name, "createdAt": _now()}
    _tell(service, "ECS Service Action", {**detail, **({"reason": reason} if reason else {})})


def deployment(service: Record, record: Record, name: str) -> None:
    """A deployment of a service came further; `name` is one of `KINDS`, the reason the deployment's own."""
    _tell(service, "ECS Deployment State Change", {
        "eventType": KINDS[name], "eventName": name, "deploymentId": record["id"],
        "updatedAt": _now(), "reason": record["rolloutStateReason"],
    })  # fmt: skip


def _tell(service: Record, kind: str, detail: Record) -> None:
    for listener in _services:
        listener(service, kind, detail)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
