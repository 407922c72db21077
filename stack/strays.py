"""Tasks of a cluster that belong to no service, such as a probe's: ECS deletes no cluster while one runs."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.errors import ToolError
from stack.terminal import Terminal

# The longest that a task may take to stop (StopTimeout), and some time around it.
_SECONDS = 300.0
_OF_A_SERVICE = "service:"
_WHY = "The environment is being deleted"


def stop(cloud: Cloud, terminal: Terminal, stack: Stack) -> None:
    """Stop what runs in the stack's clusters beside services, and wait until it has. Raises a ToolError."""
    cloud = cloud.of(stack.id)
    for cluster in stacks.of_type(stacks.resources(cloud, stack.id), "AWS::ECS::Cluster"):
        found = _running(cloud, cluster)
        if not found:
            continue
        names = ", ".join(sorted({_origin(one) for one in found}))
        terminal.say(
            f"Stopping {len(found)} {'task' if len(found) == 1 else 'tasks'} of no service in {cluster} "
            f"({names}) first; ECS deletes only a cluster without tasks"
        )
        for task in found:
            _stop(cloud, cluster, task["taskArn"])
        _wait(cloud, cluster, [task["taskArn"] for task in found])


def _running(cloud: Cloud, cluster: str) -> list[Any]:
    """The tasks that are to run; none where the cluster is gone, as an interrupted deletion leaves it."""
    found: list[Any] = []
    pages = cloud.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
    try:
        for page in pages:
            if page["taskArns"]:
                found += cloud.ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"])["tasks"]
    except cloud.ecs.exceptions.ClusterNotFoundException:
        return []
    return [one for one in found if not one.get("group", "").startswith(_OF_A_SERVICE)]


def _origin(task: Any) -> str:
    """What a task came from, as far as it says: a rule, or a family of task definitions."""
    return str(task.get("startedBy") or task.get("group") or "started by hand")


def _stop(cloud: Cloud, cluster: str, task: str) -> None:
    try:
        cloud.ecs.stop_task(cluster=cluster, task=task, reason=_WHY)
    except ClientError as error:
        # It has ended meanwhile, long enough ago to be forgotten.
        if "not found" not in str(error):
            raise


def _wait(cloud: Cloud, cluster: str, tasks: list[str]) -> None:
    deadline = time.monotonic() + _SECONDS
    while left := _left(cloud, cluster, tasks):
        if time.monotonic() > deadline:
            raise ToolError(
                f"{len(left)} tasks of {cluster} have not stopped within {_SECONDS:.0f} s: {', '.join(left)}",
                "Run the same command again; it continues there.",
            )
        time.sleep(cloud.pause)


def _left(cloud: Cloud, cluster: str, tasks: list[str]) -> list[str]:
    # DescribeTasks takes a hundred.
    return [
        one["taskArn"]
        for start in range(0, len(tasks), 100)
        for one in cloud.ecs.describe_tasks(cluster=cluster, tasks=tasks[start : start + 100])["tasks"]
        if one["lastStatus"] != "STOPPED"
    ]
