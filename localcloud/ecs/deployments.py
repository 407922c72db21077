"""Deployments of a service: how one begins, when it has failed, and the circuit breaker."""

from __future__ import annotations

import math
import secrets
from typing import Any

from localcloud.ecs.records import Record, event, now


def make_deployment(task_definition: str, desired_count: int, status: str = "PRIMARY") -> Record:
    """A deployment that just began."""
    identity = f"ecs-svc/{secrets.randbits(62):019d}"
    return {
        "id": identity,
        "status": status,
        "taskDefinition": task_definition,
        "desiredCount": desired_count,
        "runningCount": 0,
        "pendingCount": 0,
        "failedTasks": 0,
        "launchType": "FARGATE",
        "createdAt": now(),
        "updatedAt": now(),
        "rolloutState": "IN_PROGRESS",
        "rolloutStateReason": f"ECS deployment {identity} in progress.",
    }


def primary(service: Record) -> Record:
    """The deployment that is wanted."""
    found: Record = next(d for d in service["deployments"] if d["status"] == "PRIMARY")
    return found


def breaker_threshold(service: Record) -> int:
    """How many failures in a row trip the breaker: half the desired count, but 3 to 200."""
    breaker = (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    config = breaker.get("thresholdConfiguration") or {}
    kind, value = config.get("type", "BOUNDED_PERCENT"), float(config.get("value", 50))
    if kind == "COUNT":
        return max(1, int(value))
    share = math.ceil(value * int(service["desiredCount"]) / 100)
    return max(1, share) if kind == "UNBOUNDED_PERCENT" else min(200, max(3, share))


def why(task: Record) -> str:
    """Why a task stopped, with its containers' exit codes."""
    codes = [
        f"{c['name']} exit code {c['exitCode']}" for c in task["containers"] if c.get("exitCode") is not None
    ]
    return f"{task['stoppedReason']} ({', '.join(codes)})" if codes else str(task["stoppedReason"])


def trip(service: Record, failed: Record, rollback: bool) -> None:
    """End a deployment as failed, and go back to the last completed one if there is another."""
    failed.update(
        rolloutState="FAILED",
        rolloutStateReason="ECS deployment circuit breaker: tasks failed to start.",
        desiredCount=0,
        updatedAt=now(),
    )
    event(service, f"(deployment {failed['id']}) deployment failed: tasks failed to start.")
    previous = service.get("_last_completed")
    if not rollback or not previous or previous["taskDefinition"] == failed["taskDefinition"]:
        return
    event(service, f"rolling back to (deployment {previous['id']}).")
    failed["status"] = "ACTIVE"
    back = next((d for d in service["deployments"] if d["id"] == previous["id"]), None)
    if back is None:
        back = make_deployment(previous["taskDefinition"], service["desiredCount"])
        service["deployments"].insert(0, back)
    back.update(
        status="PRIMARY",
        desiredCount=service["desiredCount"],
        rolloutState="IN_PROGRESS",
        rolloutStateReason=f"ECS deployment circuit breaker: rolling back to deploymentId {previous['id']}.",
        failedTasks=0,
    )
    service["deployments"].sort(key=lambda d: d["status"] != "PRIMARY")
    service["taskDefinition"] = back["taskDefinition"]


def reasons(deployment: Record) -> list[str]:
    """Why tasks of a deployment stopped, newest first, each once."""
    found: list[Any] = deployment.get("_reasons") or []
    return list(dict.fromkeys(str(reason) for reason in found))
