"""What the ECS agent gives a container: its environment, and the task metadata endpoint, version 4."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud import emulator
from localcloud.ecs.records import Record
from localcloud.metrics import usage
from localcloud.threads import in_thread

_PATH = re.compile(r"/v4/([\w-]{8,})(/task|/taskWithTags|/stats|/task/stats)?/?\Z")
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class _Container:
    """One container: its task, its definition, and its part of the task's record."""

    task: Record
    definition: Record
    shown: Record


#: By the token in their addresses.
_known: dict[str, _Container] = {}


def install(records: Path, engine: Callable[[], Any]) -> None:
    """Answer instead of MiniStack, which knows no tags, limits, networks and stats.

    `records` has a file for each container that is a process; `engine` gives the Docker client, or None.
    """
    json_response = emulator.module("core.responses").json_response

    async def handle(method: str, path: str, *_: Any) -> Any:
        found = _PATH.match(path)
        container = _known.get(found[1]) if found and method == "GET" else None
        if found is None or container is None:
            return json_response({"message": "not found"}, status=404)
        match found[2]:
            case "/task":
                answer = _task(container)
            case "/taskWithTags":
                tags = {tag["key"]: tag["value"] for tag in container.task.get("tags") or []}
                answer = {**_task(container), "TaskTags": tags}
            case "/stats":
                stats = await in_thread(lambda: _stats([container], records, engine()))
                answer = next(iter(stats.values()), {})
            case "/task/stats":
                siblings = _siblings(container)
                answer = await in_thread(lambda: _stats(siblings, records, engine()))
            case _:
                answer = _shown(container)
        return json_response(answer)

    emulator.module("services.ecs_metadata").handle_request = handle


def register(task: Record, definition: Record, shown: Record) -> str:
    """Make the metadata of one container known; the token under which it is served."""
    token = secrets.token_urlsafe(24)
    _known[token] = _Container(task, definition, shown)
    return token


def unregister(token: str) -> None:
    """Serve a container that has gone no longer."""
    _known.pop(token, None)


def environment(gateway: str, region: str, token: str) -> dict[str, str]:
    """The variables a container gets besides its definition's."""
    return {
        "AWS_ENDPOINT_URL": gateway,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "ECS_CONTAINER_METADATA_URI_V4": f"{gateway}/v4/{token}",
    }


def _siblings(container: _Container) -> list[_Container]:
    return [other for other in _known.values() if other.task is container.task]


def _task(container: _Container) -> Record:
    task = container.task
    family, _, revision = task["taskDefinitionArn"].rsplit("/", 1)[1].rpartition(":")
    times = {"PullStartedAt": "pullStartedAt", "PullStoppedAt": "pullStoppedAt"}
    service = task["group"].removeprefix("service:") if task["group"].startswith("service:") else ""
    return {
        "Cluster": task["clusterArn"],
        "TaskARN": task["taskArn"],
        "Family": family,
        "Revision": revision,
        "DesiredStatus": task["desiredStatus"],
        "KnownStatus": task["lastStatus"],
        "Limits": {"CPU": int(task["cpu"]) / 1024, "Memory": int(task["memory"])},
        **{name: task[key] for name, key in times.items() if key in task},
        "AvailabilityZone": task["availabilityZone"],
        "LaunchType": task["launchType"],
        **({"ServiceName": service} if service else {}),
        "Containers": [_shown(other) for other in _siblings(container)],
    }


def _shown(container: _Container) -> Record:
    task, definition, shown = container.task, container.definition, container.shown
    family, _, revision = task["taskDefinitionArn"].rsplit("/", 1)[1].rpartition(":")
    limits = {"CPU": definition.get("cpu"), "Memory": definition.get("memory")}
    log = definition.get("logConfiguration") or {}
    address = task.get("_container_ip")
    healthy = {"Health": {"status": shown["healthStatus"]}} if definition.get("healthCheck") else {}
    return {
        "DockerId": _docker_id(container),
        "Name": definition["name"],
        "DockerName": definition["name"],
        "Image": definition["image"],
        "ImageID": shown.get("imageDigest", ""),
        "Labels": {
            "com.amazonaws.ecs.cluster": task["clusterArn"],
            "com.amazonaws.ecs.container-name": definition["name"],
            "com.amazonaws.ecs.task-arn": task["taskArn"],
            "com.amazonaws.ecs.task-definition-family": family,
            "com.amazonaws.ecs.task-definition-version": revision,
            **(definition.get("dockerLabels") or {}),
        },
        "DesiredStatus": task["desiredStatus"],
        "KnownStatus": shown["lastStatus"],
        "Limits": {name: int(value) for name, value in limits.items() if value},
        "CreatedAt": task["createdAt"],
        **({"StartedAt": task["startedAt"]} if "startedAt" in task else {}),
        "Type": "NORMAL",
        **healthy,
        **({"LogDriver": log["logDriver"], "LogOptions": log.get("options") or {}} if log else {}),
        "ContainerARN": shown["containerArn"],
        "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": [address]}] if address else [],
    }


def _docker_id(container: _Container) -> str:
    return str(container.shown.get("runtimeId") or container.shown["containerArn"].rpartition("/")[2])


def _stats(containers: list[_Container], records: Path, engine: Any) -> dict[str, Record]:
    """What containers use, by their ids, in the shape that Docker has for it. Blocks."""
    identities = {_docker_id(container): container.task for container in containers}
    found = usage.of_containers(records, list(identities), engine)
    return {
        identity: {
            "id": identity,
            "read": datetime.now(UTC).isoformat(),
            "cpu_stats": {
                "cpu_usage": {"total_usage": int(seconds * 1e9)},
                "online_cpus": os.cpu_count() or 1,
            },
            "memory_stats": {
                "usage": int(memory), "limit": int(identities[identity]["memory"]) * _MEBIBYTE
            },
        }
        for identity, (seconds, memory) in found.items()
    }  # fmt: skip
