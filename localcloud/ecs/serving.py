"""A service's tasks behind its load balancers: registered with their target groups, healthy or not."""

from __future__ import annotations

import time

from localcloud import balancer
from localcloud.ecs import health
from localcloud.ecs.deployments import groups, revision
from localcloud.ecs.records import Record, ecs, event
from localcloud.ecs.tasks import Tasks

#: Without any health check, a task that stays up this long counts as healthy.
_SETTLE_SECONDS = 1.0


def _places(service: Record, task: Record) -> list[tuple[str, int]]:
    """The target groups, with the container's port, where a task belongs."""
    deployment = next((d for d in service["deployments"] if d["id"] == task["_deployment_id"]), None)
    if deployment is None:
        return []
    given = [lb for lb in revision(deployment).get("loadBalancers") or [] if lb.get("targetGroupArn")]
    chosen = groups(deployment)
    return [(arn, int(lb["containerPort"])) for arn, lb in zip(chosen, given, strict=True)]


def register(service: Record, live: list[Record]) -> None:
    """Register running tasks with the target groups of their deployments."""
    for task in live:
        if task["lastStatus"] != "RUNNING":
            continue
        for arn, container_port in _places(service, task):
            if any(target[0] == arn for target in task["_targets"]):
                continue
            port = task["_ports"].get(str(container_port), container_port)
            target = [arn, task["_container_ip"], port]
            try:
                balancer.current().register(*target)
            except KeyError:
                event(service, f"failed to register targets in (target-group {arn}): it does not exist.")
                continue
            task["_targets"].append(target)
            event(service, f"registered 1 targets in (target-group {arn})")


def healthy(service: Record, task: Record) -> bool:
    """Whether a task counts: running, its containers' checks passed, its targets healthy."""
    if task["lastStatus"] != "RUNNING" or task["desiredStatus"] != "RUNNING":
        return False
    definition = ecs()._task_defs.get(ecs()._resolve_td_key(task["taskDefinitionArn"])) or {}
    checked = any(
        health.command_of(c.get("healthCheck") or {}) and c.get("essential", True)
        for c in definition.get("containerDefinitions", [])
    )
    if checked and task["healthStatus"] != "HEALTHY":
        return False
    places = _places(service, task)
    if len(task["_targets"]) < len(places):
        return False
    if any(balancer.current().health(*t)[0] != "healthy" for t in task["_targets"]):
        return False
    return bool(checked or places or time.monotonic() - task["_started"] >= _SETTLE_SECONDS)


def stop_unhealthy(tasks: Tasks, service: Record, live: list[Record]) -> None:
    """Stop tasks that fail their checks once the grace period is over."""
    grace = float(service.get("healthCheckGracePeriodSeconds") or 0)
    for task in live:
        if task["lastStatus"] != "RUNNING" or time.monotonic() - task["_started"] < grace:
            continue
        identity = task["taskArn"].rsplit("/", 1)[1]
        reason = ""
        if task["healthStatus"] == "UNHEALTHY":
            reason = "Task failed container health checks"
            event(service, f"(task {identity}) failed container health checks.")
        for target in task["_targets"]:
            state, why = balancer.current().health(*target)
            if state == "unhealthy":
                reason = f"Task failed ELB health checks in (target-group {target[0]})"
                event(
                    service,
                    f"(port {target[2]}) is unhealthy in (target-group {target[0]}) due to (reason {why}).",
                )
        if reason:
            task["_failed"] = True
            tasks.stop(task, reason, "ServiceSchedulerInitiated")
