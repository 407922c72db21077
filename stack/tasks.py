"""The environment's ECS services as they run now: tasks, where they are, what the balancer thinks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stack import stacks
from stack.clients import Cloud
from stack.stacks import Stack


@dataclass(frozen=True)
class Task:
    """One task that has not stopped; `target` is its state in the target group, "" while it is in none."""

    id: str
    zone: str
    status: str
    target: str
    image: str


@dataclass(frozen=True)
class Service:
    """One ECS service; `rollout` is the state of its newest deployment."""

    name: str
    desired: int
    running: int
    pending: int
    rollout: str
    tasks: tuple[Task, ...]


def describe(cloud: Cloud, found: dict[str, Stack | None]) -> list[Service]:
    """The services of the environment's stacks, in their order; what is gone meanwhile is left out."""
    services: list[Service] = []
    for stack in found.values():
        if stack is not None:
            services += _of_stack(cloud, stack)
    return services


def _of_stack(cloud: Cloud, stack: Stack) -> list[Service]:
    found = stacks.resources(cloud, stack.id)
    clusters = stacks.of_type(found, "AWS::ECS::Cluster")
    arns = stacks.of_type(found, "AWS::ECS::Service")
    if not clusters or not arns:
        return []
    answer = cloud.ecs.describe_services(cluster=clusters[0], services=arns)
    return [_service(cloud, clusters[0], one) for one in answer["services"] if one["status"] != "INACTIVE"]


def _service(cloud: Cloud, cluster: str, service: Any) -> Service:
    health = _target_health(cloud, service.get("loadBalancers", []))
    tasks: list[Task] = []
    pages = cloud.ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, serviceName=service["serviceName"], desiredStatus="RUNNING"
    )
    for page in pages:
        if page["taskArns"]:
            found = cloud.ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]
            tasks += [_task(one, health) for one in found]
    rollouts = [one.get("rolloutState", "") for one in service["deployments"] if one["status"] == "PRIMARY"]
    return Service(
        name=service["serviceName"],
        desired=service["desiredCount"],
        running=service["runningCount"],
        pending=service["pendingCount"],
        rollout=rollouts[0] if rollouts else "",
        tasks=tuple(sorted(tasks, key=lambda task: (task.zone, task.id))),
    )


def _target_health(cloud: Cloud, balancers: list[Any]) -> dict[str, str]:
    """State by target id (the task's private address)."""
    return {
        one["Target"]["Id"]: one["TargetHealth"].get("State", "")
        for group in _target_groups(balancers)
        for one in cloud.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    }


def _target_groups(balancers: list[Any]) -> list[str]:
    """ARNs of a service's target groups: with blue/green deployments, traffic goes from one to the other."""
    found = [
        arn
        for balancer in balancers
        for arn in (
            balancer.get("targetGroupArn"),
            balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn"),
        )
        if arn
    ]
    return list(dict.fromkeys(found))


def _task(task: Any, health: dict[str, str]) -> Task:
    addresses = [
        detail["value"]
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
        if detail["name"] == "privateIPv4Address"
    ]
    return Task(
        id=task["taskArn"].rsplit("/", 1)[-1],
        zone=task.get("availabilityZone", ""),
        status=task.get("lastStatus", ""),
        target=next((health[address] for address in addresses if address in health), ""),
        image=task["containers"][0].get("image", "") if task.get("containers") else "",
    )
