"""A scalable target and its ECS service: the count as it is, the count as it should be."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.ecs import announce
from localcloud.resources.base import ServiceRefusedError, call
from localcloud.scaling import activities
from localcloud.scaling.records import Record, ScalingError


def names(request: Record) -> tuple[str, str]:
    """Cluster and service of `service/<cluster>/<service>`. Raises ScalingError for anything else."""
    parts = str(request["ResourceId"]).split("/")
    if (
        request["ServiceNamespace"] != "ecs"
        or request["ScalableDimension"] != "ecs:service:DesiredCount"
        or len(parts) != 3
        or parts[0] != "service"
    ):
        raise ScalingError(
            "ValidationException",
            "the local cloud scales the desired count of ECS services only: ServiceNamespace ecs, "
            "ScalableDimension ecs:service:DesiredCount, ResourceId service/<cluster>/<service>",
        )
    return parts[1], parts[2]


def service(target: Record) -> Record | None:
    """The target's service while it is active; needs the request's account and region to be set."""
    cluster, name = names(target)
    found: Record | None = emulator.module("services.ecs")._services.get(f"{cluster}/{name}")
    return found if found is not None and found["status"] == "ACTIVE" else None


def deploying(found: Record) -> bool:
    """Whether a deployment of the service is in progress: AWS scales in none while one is."""
    deployments: list[dict[str, Any]] = found["deployments"]
    return len(deployments) > 1 or any(d["rolloutState"] == "IN_PROGRESS" for d in deployments)


def set_desired(key: str, target: Record, count: int, cause: str, change: Record | None = None) -> None:
    """Set the desired count as UpdateService does, and tell of it; a refusal is told of as well.

    `change` says which policy wanted it, as `activities.change` makes it.
    """
    cluster, name = names(target)
    request = {"cluster": cluster, "service": name, "desiredCount": count}
    try:
        call("Ecs", emulator.module("services.ecs")._update_service, request)
    except ServiceRefusedError as exc:
        message = f"Failed to set desired count to {count}. {exc}"
        activities.failed(key, f"Setting desired count to {count}.", cause, message)
        return
    activities.setting(key, count, cause, change)
    # ECS tells of what scaling does, and not of what a user asks UpdateService for.
    if (found := service(target)) is not None:
        announce.action(found, "SERVICE_DESIRED_COUNT_UPDATED")


def bring_within(key: str, target: Record) -> None:
    """Move the service's desired count into the target's bounds, if it is outside of them."""
    found = service(target)
    if found is None:
        return
    least, most = target["MinCapacity"], target["MaxCapacity"]
    if found["desiredCount"] < least:
        set_desired(key, target, least, f"minimum capacity was set to {least}")
    elif found["desiredCount"] > most:
        set_desired(key, target, most, f"maximum capacity was set to {most}")
