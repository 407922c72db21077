"""Task records, in the shape that DescribeTasks answers with, and small helpers around MiniStack's stores."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from localcloud import emulator

Record = dict[str, Any]
#: How long a stopped task is still known, about as long as AWS knows it.
_STOPPED_SECONDS = 3600.0


def ecs() -> Any:
    """MiniStack's ECS."""
    return emulator.module("services.ecs")


def now() -> str:
    """The time as MiniStack stores it."""
    stamp: str = ecs()._iso()
    return stamp


def zone_of(subnet: str | None) -> str:
    """The zone of a subnet; the region's first when there is none."""
    region: str = emulator.module("core.responses").get_region()
    found = emulator.module("services.ec2")._subnets.get(subnet) if subnet else None
    return str((found or {}).get("AvailabilityZone") or f"{region}a")


def subnets(network: Record | None) -> list[str]:
    """The subnets of a network configuration."""
    found = ((network or {}).get("awsvpcConfiguration") or {}).get("subnets") or []
    return [str(subnet) for subnet in found]


def new_task(
    definition: Record,
    cluster: Record,
    *,
    subnet: str | None,
    group: str,
    started_by: str,
    launch_type: str,
    provider: str | None,
    overrides: Record | None = None,
    deployment: str | None = None,
    execute_command: bool = False,
    tags: list[Record] | None = None,
    platform_version: str = "",
) -> Record:
    """A task in PROVISIONING. Keys that begin with _ stay inside."""
    responses = emulator.module("core.responses")
    region, account = responses.get_region(), responses.get_account_id()
    identity = uuid.uuid4().hex
    prefix = f"arn:aws:ecs:{region}:{account}"
    arn = f"{prefix}:task/{cluster['clusterName']}/{identity}"
    containers = [
        {
            "containerArn": f"{prefix}:container/{cluster['clusterName']}/{identity}/{uuid.uuid4()!s}",
            "taskArn": arn,
            "name": item["name"],
            "image": item["image"],
            "lastStatus": "PENDING",
            "networkBindings": [],
            "networkInterfaces": [],
            "cpu": str(item.get("cpu", 0)),
            "memory": str(item.get("memory") or item.get("memoryReservation") or ""),
            "healthStatus": "UNKNOWN",
        }
        for item in definition["containerDefinitions"]
    ]
    details = [{"name": "subnetId", "value": subnet}] if subnet else []
    if platform_version in ("", "LATEST"):
        platform_version = "1.4.0"
    record: Record = {
        "taskArn": arn,
        "clusterArn": cluster["clusterArn"],
        "taskDefinitionArn": definition["taskDefinitionArn"],
        "overrides": overrides or {"containerOverrides": [], "inferenceAcceleratorOverrides": []},
        "lastStatus": "PROVISIONING",
        "desiredStatus": "RUNNING",
        "launchType": launch_type,
        "capacityProviderName": provider,
        "cpu": str(definition.get("cpu", "256")),
        "memory": str(definition.get("memory", "512")),
        "platformVersion": platform_version,
        "platformFamily": "Linux",
        "connectivity": "CONNECTED",
        "connectivityAt": now(),
        "createdAt": now(),
        "group": group,
        "startedBy": started_by,
        "version": 1,
        "containers": containers,
        "attachments": [
            {
                "id": str(uuid.uuid4()),
                "type": "ElasticNetworkInterface",
                "status": "PRECREATED",
                "details": details,
            }
        ],
        "availabilityZone": zone_of(subnet),
        "enableExecuteCommand": execute_command,
        "tags": tags or [],
        "healthStatus": "UNKNOWN",
        "ephemeralStorage": definition.get("ephemeralStorage") or {"sizeInGiB": 20},
        "_deployment_id": deployment,
        "_subnet": subnet,
        "_targets": [],
    }
    return record


def event(service: Record, text: str) -> bool:
    """Add a service event, newest first, unless it repeats the last one; whether it is new."""
    message = f"(service {service['serviceName']}) {text}"
    if service["events"] and service["events"][0]["message"] == message:
        return False
    service["events"].insert(0, {"id": str(uuid.uuid4()), "createdAt": now(), "message": message})
    del service["events"][100:]
    return True


def forget_stopped() -> None:
    """Drop the records of tasks that stopped long ago, as AWS does."""
    for key, task in ecs()._tasks.all_items():
        if task["lastStatus"] == "STOPPED" and _age(task) > _STOPPED_SECONDS:
            ecs()._tasks.pop_scoped(*key, None)


def _age(task: Record) -> float:
    stopped = task.get("stoppedAt")
    if not isinstance(stopped, str):
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(stopped.replace("Z", "+00:00"))).total_seconds()
