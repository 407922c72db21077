"""The environment's ECS services as they are now: tasks, where they run, how they are, and which ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from rich.table import Table

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Resource, Stack
from stack.errors import OK, ToolError
from stack.now import trouble
from stack.terminal import Terminal

# DescribeServices takes so many at a time.
_MOST_SERVICES = 10


@dataclass(frozen=True)
class Task:
    """One task that has not stopped; `target` is its state in the target group, "" while it is in none.

    `why` is what the load balancer says of a target that is not healthy, `health` is ECS's, of the
    container's health command; `started` is ISO 8601, None until it runs.
    """

    id: str
    zone: str
    status: str
    health: str
    target: str
    why: str
    image: str
    started: str | None
    provider: str

    @property
    def serves(self) -> bool:
        """Whether it runs, and nobody says that it is not well."""
        return self.status == "RUNNING" and self.health != "UNHEALTHY" and self.target in ("", "healthy")


@dataclass(frozen=True)
class Ended:
    """One task that stopped; ECS remembers it for an hour. `exit_codes` by container, None for unknown."""

    id: str
    zone: str
    stopped: str | None
    reason: str
    exit_codes: dict[str, int | None]


@dataclass(frozen=True)
class Service:
    """One ECS service; `rollout` is the state of its newest deployment, `deployed` when that began.

    `complaint` is what the load balancer last found wrong with one of its tasks, as ECS tells it.
    """

    name: str
    cluster: str
    definition: str
    execute_command: bool
    desired: int
    running: int
    pending: int
    rollout: str
    deployed: str | None
    complaint: str
    tasks: tuple[Task, ...]

    @property
    def serving(self) -> int:
        """How many of its tasks serve."""
        return sum(task.serves for task in self.tasks)

    @property
    def zones(self) -> dict[str, int]:
        """How many running tasks there are in each zone."""
        running = [task.zone for task in self.tasks if task.status == "RUNNING"]
        return {zone: running.count(zone) for zone in sorted(set(running))}


def describe(cloud: Cloud, found: dict[str, Stack | None]) -> list[Service]:
    """The services of the environment's stacks, in their order; what is gone meanwhile is left out."""
    services: list[Service] = []
    for stack in found.values():
        if stack is not None:
            services += of_resources(cloud, stacks.resources(cloud, stack.id))
    return services


def of_resources(cloud: Cloud, known: Sequence[Resource]) -> list[Service]:
    """The services among the resources of a stack, which also has their cluster."""
    clusters = stacks.of_type(known, "AWS::ECS::Cluster")
    arns = stacks.of_type(known, "AWS::ECS::Service")
    if not clusters or not arns:
        return []
    found = [
        one
        for start in range(0, len(arns), _MOST_SERVICES)
        for one in cloud.ecs.describe_services(
            cluster=clusters[0], services=arns[start : start + _MOST_SERVICES]
        )["services"]
    ]
    return [_service(cloud, clusters[0], one) for one in found if one["status"] != "INACTIVE"]


def _service(cloud: Cloud, cluster: str, service: Any) -> Service:
    health = _target_health(cloud, service.get("loadBalancers", []))
    tasks = [_task(one, health) for one in described(cloud, cluster, service["serviceName"], "RUNNING")]
    newest: Any = next((one for one in service["deployments"] if one["status"] == "PRIMARY"), {})
    return Service(
        name=service["serviceName"],
        cluster=cluster,
        definition=service.get("taskDefinition", ""),
        execute_command=service.get("enableExecuteCommand", False),
        desired=service["desiredCount"],
        running=service["runningCount"],
        pending=service["pendingCount"],
        rollout=newest.get("rolloutState", ""),
        deployed=_iso(newest.get("createdAt")),
        complaint=next(filter(None, map(_complaint, service.get("events", []))), ""),
        tasks=tuple(sorted(tasks, key=lambda task: (task.zone, task.id))),
    )


def _complaint(event: Any) -> str:
    found = re.search(r"is unhealthy in .* due to \(reason (.*)\)", event["message"])
    return found[1] if found else ""


def ended(cloud: Cloud, service: Service) -> list[Ended]:
    """The service's tasks that stopped within the hour that ECS remembers, the latest last."""
    found = described(cloud, service.cluster, service.name, "STOPPED")
    return sorted((_ended(one) for one in found), key=lambda task: task.stopped or "")


def trouble_of(cloud: Cloud, service: Service) -> list[str]:
    """See `trouble.told`; what ended is looked up only where something is missing."""
    if service.serving >= service.desired:
        return []
    return trouble.told(cloud.environment.name, service, ended(cloud, service))


def described(cloud: Cloud, cluster: str, service: str, desired: Literal["RUNNING", "STOPPED"]) -> list[Any]:
    """A service's tasks that are to run, or that stopped, as DescribeTasks has them."""
    found: list[Any] = []
    pages = cloud.ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, serviceName=service, desiredStatus=desired
    )
    for page in pages:
        if page["taskArns"]:
            found += cloud.ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]
    return found


def _target_health(cloud: Cloud, balancers: list[Any]) -> dict[str, tuple[str, str]]:
    """State, and what is said of it, by target id (the task's private address)."""
    return {
        one["Target"]["Id"]: (
            one["TargetHealth"].get("State", ""),
            one["TargetHealth"].get("Description", ""),
        )
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


def _task(task: Any, health: dict[str, tuple[str, str]]) -> Task:
    addresses = [
        detail["value"]
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
        if detail["name"] == "privateIPv4Address"
    ]
    target, why = next((health[address] for address in addresses if address in health), ("", ""))
    return Task(
        id=_id(task),
        zone=task.get("availabilityZone", ""),
        status=task.get("lastStatus", ""),
        health=task.get("healthStatus", ""),
        target=target,
        why=why,
        image=task["containers"][0].get("image", "") if task.get("containers") else "",
        started=_iso(task.get("startedAt")),
        provider=task.get("capacityProviderName") or task.get("launchType", ""),
    )


def _ended(task: Any) -> Ended:
    said = [
        task.get("stoppedReason", ""),
        *(f"{one['name']}: {one['reason']}" for one in task.get("containers", []) if one.get("reason")),
    ]
    return Ended(
        id=_id(task),
        zone=task.get("availabilityZone", ""),
        stopped=_iso(task.get("stoppedAt")),
        reason="; ".join(filter(None, said)),
        exit_codes={one.get("name", ""): one.get("exitCode") for one in task.get("containers", [])},
    )


def _id(task: Any) -> str:
    return str(task["taskArn"]).rsplit("/", 1)[-1]


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def existing(cloud: Cloud) -> list[Service]:
    """The environment's services; raises a ToolError where there is none."""
    found = describe(cloud, stacks.look_all(cloud))
    if not found:
        name = cloud.environment.name
        raise ToolError(f"{name} has no ECS service now.", f"See what there is: make status ENV={name}")
    return found


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Print the tasks that run, and those that ended within the last hour with their reasons."""
    endpoint.require(cloud)
    services = [(service, ended(cloud, service)) for service in existing(cloud)]
    if as_json:
        terminal.json(
            [{**asdict(service), "ended": [asdict(task) for task in gone]} for service, gone in services]
        )
        return OK
    for service, gone in services:
        terminal.result(f"Service {service.name}: {service.running} of {service.desired} tasks run")
        terminal.table(table(service))
        if gone:
            terminal.result(f"Ended within the last hour: {len(gone)}")
            terminal.table(_table_of_ended(gone))
        for line in trouble.told(cloud.environment.name, service, gone):
            terminal.result(line, "bold red")
    return OK


def table(service: Service) -> Table:
    """A service's tasks as a table."""
    made = Table(pad_edge=False)
    for heading in ("Task", "Zone", "State", "Health", "Target", "Image", "Started", "Provider"):
        made.add_column(heading, overflow="fold")
    for task in service.tasks:
        digest = task.image.rpartition("@")[2][:19]
        made.add_row(
            task.id,
            task.zone,
            task.status,
            task.health,
            task.target,
            digest,
            task.started or "",
            task.provider,
            style="red" if "UNHEALTHY" in (task.health, task.target.upper()) else "",
        )
    return made


def _table_of_ended(gone: list[Ended]) -> Table:
    made = Table(pad_edge=False)
    for heading in ("Task", "Zone", "Stopped", "Exit codes", "Reason"):
        made.add_column(heading, overflow="fold")
    for task in gone:
        codes = ", ".join(
            f"{name} {'unknown' if code is None else code}" for name, code in task.exit_codes.items()
        )
        made.add_row(task.id, task.zone, task.stopped or "", codes, task.reason)
    return made
