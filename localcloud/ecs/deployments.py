"""Deployments of a service: how one begins, how it ends well or badly, and what it goes back to."""

from __future__ import annotations

import copy
import secrets
import time
from dataclasses import dataclass
from typing import Any

from localcloud.ecs import alarms, announce, history
from localcloud.ecs.records import Record, event, now

#: What of a service belongs to its revision: a rollback brings all of it back.
REVISED = (
    "taskDefinition",
    "loadBalancers",
    "networkConfiguration",
    "capacityProviderStrategy",
    "launchType",
    "platformVersion",
    "serviceRegistries",
)


@dataclass(frozen=True)
class Cause:
    """Why a deployment failed, in the words AWS has for it in each place."""

    event: str
    rollout: str
    monitor: str
    status: str
    #: What CloudFormation says.
    summary: str


BREAKER = Cause(
    "tasks failed to start.",
    "ECS deployment circuit breaker: tasks failed to start.",
    "ECS deployment circuit breaker",
    "Service deployment rolled back because the circuit breaker threshold was exceeded.",
    "ECS Deployment Circuit Breaker was triggered",
)


def alarm(names: list[str]) -> Cause:
    """Alarms went into ALARM."""
    found = ", ".join(names)
    return Cause(
        "alarm detected.",
        f"ECS deployment failed: alarm detected ({found}).",
        "ECS deployment alarm",
        f"Service deployment rolled back because of alarm(s) in ALARM state: {found}.",
        f"ECS deployment failed: alarm detected ({found})",
    )


def networking(problem: str) -> Cause:
    """Listener rules and target groups do not fit the strategy."""
    text = f"Service deployment rolled back because of invalid networking configuration. {problem}"
    return Cause(text, text, "ECS deployment", text, text)


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


def begin(service: Record, deployment: Record) -> None:
    """Give a new deployment what it is to do: the service as it is now, and what it replaces."""
    last = service.get("_last_completed")
    config = copy.deepcopy(service["deploymentConfiguration"])
    deployment.update(
        _revision=copy.deepcopy({key: service.get(key) for key in REVISED}),
        _config=config,
        _source=last["id"] if last else None,
        _alarms=alarms.begin(config),
        _step=0,
    )
    history.begun(service, deployment)
    enter(service, deployment, "RECONCILE_SERVICE")
    announce.deployment(service, deployment, "SERVICE_DEPLOYMENT_IN_PROGRESS")


def enter(service: Record, deployment: Record, stage: str) -> None:
    """Put a deployment into the next stage of its life."""
    deployment.update(_stage=stage, _since=time.time(), updatedAt=now())
    _note(service, deployment, lifecycleStage=stage)


def _note(service: Record, deployment: Record, **known: Any) -> None:
    """Note it in the history, where going back is a part of the deployment that failed."""
    history.note(service, {"id": deployment.get("_rollback_of", deployment["id"])}, **known)


def begin_again(service: Record, task_definition: str) -> Record:
    """Replace the primary deployment by a new one of the service as it is now."""
    before = primary(service)
    if before["rolloutState"] == "IN_PROGRESS" and before["_stage"] == "CLEAN_UP":
        # All but the last of what it replaces is gone: there is no way back behind it.
        finish(service, before)
    before.update(status="ACTIVE", updatedAt=now())
    if before["rolloutState"] == "IN_PROGRESS":
        _note(service, before, status="STOPPED", finished=True)
    after = make_deployment(task_definition, service["desiredCount"])
    after.update({key: service[key] for key in ("launchType", "capacityProviderStrategy") if key in service})
    service["deployments"].insert(0, after)
    begin(service, after)
    return after


def revision(deployment: Record) -> Record:
    """The part of a service that the deployment deploys."""
    found: Record = deployment["_revision"]
    return found


def groups(deployment: Record) -> list[str]:
    """The target group of each of the load balancers, where the deployment's tasks register."""
    chosen: list[str] | None = deployment.get("_groups")
    given = revision(deployment).get("loadBalancers") or []
    return (
        chosen if chosen is not None else [lb["targetGroupArn"] for lb in given if lb.get("targetGroupArn")]
    )


def source(service: Record, deployment: Record) -> Record | None:
    """The deployment it replaces, as long as that is still there."""
    wanted = deployment.get("_source")
    return next((d for d in service["deployments"] if d["id"] == wanted), None)


def finish(service: Record, deployment: Record) -> None:
    """End a deployment as completed: the one to go back to from now on."""
    deployment.update(
        rolloutState="COMPLETED",
        rolloutStateReason=f"ECS deployment {deployment['id']} completed.",
        updatedAt=now(),
    )
    kept = ("id", "taskDefinition", "launchType", "_revision", "_config", "_groups")
    service["_last_completed"] = copy.deepcopy({key: deployment[key] for key in kept if key in deployment})
    went_back = "_rollback_of" in deployment
    _note(service, deployment, status="ROLLBACK_SUCCESSFUL" if went_back else "SUCCESSFUL", finished=True)
    for name in ("_rollback_of", "_from"):
        deployment.pop(name, None)
    event(service, f"(deployment {deployment['id']}) deployment completed.")
    announce.deployment(service, deployment, "SERVICE_DEPLOYMENT_COMPLETED")


def why(task: Record) -> str:
    """Why a task stopped, with its containers' exit codes."""
    codes = [
        f"{c['name']} exit code {c['exitCode']}" for c in task["containers"] if c.get("exitCode") is not None
    ]
    return f"{task['stoppedReason']} ({', '.join(codes)})" if codes else str(task["stoppedReason"])


def fail(service: Record, failed: Record, cause: Cause, rollback: bool) -> Record | None:
    """End a deployment as failed; the one it goes back to, None when there is none or it is not wanted."""
    failed.update(
        rolloutState="FAILED",
        rolloutStateReason=cause.rollout,
        updatedAt=now(),
        _failure=cause.summary,
    )
    event(service, f"(deployment {failed['id']}) deployment failed: {cause.event}")
    announce.deployment(service, failed, "SERVICE_DEPLOYMENT_FAILED")
    previous = service.get("_last_completed")
    if not rollback:
        _note(service, failed, status="STOPPED", statusReason=cause.status, finished=True)
        return None
    if not previous or previous["id"] == failed["id"]:
        event(service, "No rollback candidate was found to run the rollback.")
        _note(service, failed, status="ROLLBACK_FAILED", statusReason=cause.status, finished=True)
        return None
    event(service, f"rolling back to (deployment {previous['id']}).")
    failed.update(status="ACTIVE", desiredCount=0)
    back = next((d for d in service["deployments"] if d["id"] == previous["id"]), None)
    if back is None:
        back = {**make_deployment(previous["taskDefinition"], 0), **copy.deepcopy(previous)}
        service["deployments"].insert(0, back)
    back.update(
        status="PRIMARY",
        desiredCount=service["desiredCount"],
        rolloutState="IN_PROGRESS",
        rolloutStateReason=f"{cause.monitor}: rolling back to deploymentId {previous['id']}.",
        failedTasks=0,
        _rollback_of=failed["id"],
        _alarms=[],
        _steps=[],
    )
    service["deployments"].sort(key=lambda d: d["status"] != "PRIMARY")
    service.update(copy.deepcopy(revision(back)))
    service["taskDefinition"] = back["taskDefinition"]
    history.rolling_back(service, failed, back, cause.status)
    enter(service, back, "SCALE_UP")
    announce.deployment(service, back, "SERVICE_DEPLOYMENT_IN_PROGRESS")
    return back


def reasons(deployment: Record) -> list[str]:
    """Why tasks of a deployment stopped, newest first, each once."""
    found: list[Any] = deployment.get("_reasons") or []
    return list(dict.fromkeys(str(reason) for reason in found))
