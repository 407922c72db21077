"""What ECS refuses that MiniStack takes: of a request, and so of a stack's resource, which becomes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from localcloud import networks
from localcloud.ecs.records import Record, ecs

#: Fargate's sizes: CPU units, and the MiB of memory that go with them.
_SIZES: dict[int, Collection[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
    32768: (61440, 122880, 249856),
}
#: What the actions below are about has to be in a cluster that exists.
_IN_A_CLUSTER = (
    "CreateService", "UpdateService", "DeleteService", "DescribeServices", "ListServices", "RunTask",
    "StopTask", "DescribeTasks", "ListTasks",
)  # fmt: skip


class RequestError(ValueError):
    """A request that ECS refuses; `code` is the error's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Check before the actions, whoever has replaced them, do what is asked."""
    module = ecs()
    checks: dict[str, list[Callable[[Record], None]]] = {name: [_cluster] for name in _IN_A_CLUSTER}
    checks["ListTasks"].append(_service)
    checks["CreateService"] += [_new, _network, _placed]
    checks["UpdateService"].append(_placed)
    checks["RunTask"] += [_network, _placed]
    checks["DeleteCluster"] = [_cluster, _empty]
    checks["RegisterTaskDefinition"] = [_definition]
    for action, own in checks.items():
        checked = _after(own, module._ACTION_MAP[action])
        module._ACTION_MAP[action] = checked
        name = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        setattr(module, name, checked)


def _after(
    checks: list[Callable[[Record], None]], handler: Callable[[Record], Any]
) -> Callable[[Record], Any]:
    def handle(request: Record) -> Any:
        try:
            for check in checks:
                check(request)
        except RequestError as exc:
            return ecs().error_response_json(exc.code, str(exc), 400)
        return handler(request)

    return handle


def _cluster_name(request: Record) -> str:
    return str(ecs()._resolve_cluster_name(request.get("cluster") or "default"))


# --- clusters, services and tasks ---


def _cluster(request: Record) -> None:
    if _cluster_name(request) not in ecs()._clusters:
        raise RequestError("ClusterNotFoundException", "Cluster not found.")


def _services(request: Record) -> list[Record]:
    """The services of the request's cluster that are not gone."""
    cluster = _cluster_name(request)
    return [
        service
        for key, service in ecs()._services.items()
        if key.startswith(f"{cluster}/") and service["status"] == "ACTIVE"
    ]


def _service(request: Record) -> None:
    wanted = request.get("serviceName")
    if wanted and f"{_cluster_name(request)}/{wanted}" not in ecs()._services:
        raise RequestError("ServiceNotFoundException", "Service not found.")


def _new(request: Record) -> None:
    if any(service["serviceName"] == request.get("serviceName") for service in _services(request)):
        raise RequestError("InvalidParameterException", "Creation of service was not idempotent.")


def _awsvpc(request: Record) -> Record:
    return (request.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}


def _network(request: Record) -> None:
    definition = ecs()._task_defs.get(ecs()._resolve_td_key(request.get("taskDefinition") or ""))
    if definition and definition["networkMode"] == "awsvpc" and not _awsvpc(request).get("subnets"):
        raise RequestError(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )


def _placed(request: Record) -> None:
    """Subnets and security groups that exist."""
    for kind, what, member in (
        ("subnet", "subnet", "subnets"),
        ("group", "security group", "securityGroups"),
    ):
        try:
            networks.check(kind, _awsvpc(request).get(member) or ())
        except networks.UnknownIdError as exc:
            raise RequestError(
                "InvalidParameterException",
                f"Error retrieving {what} information for [{exc.id}]: {exc} (ErrorCode: {exc.code})",
            ) from exc


def _empty(request: Record) -> None:
    if _services(request):
        raise RequestError(
            "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
        )
    arn = ecs()._clusters[_cluster_name(request)]["clusterArn"]
    if any(task["clusterArn"] == arn and task["lastStatus"] != "STOPPED" for task in ecs()._tasks.values()):
        raise RequestError(
            "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."
        )


# --- task definitions ---


def _definition(request: Record) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", str(request.get("family") or "")):
        raise RequestError(
            "ClientException",
            "Invalid family. It has up to 255 letters, numbers, hyphens and underscores.",
        )
    containers = request.get("containerDefinitions") or []
    names = [container.get("name") for container in containers]
    if len(set(names)) < len(names):
        raise RequestError("ClientException", "The names of the containers must be unique.")
    if containers and not any(_yes(container.get("essential", True)) for container in containers):
        raise RequestError(
            "ClientException", "TaskDefinition must have at least one essential container definition."
        )
    _size(request)
    if "FARGATE" in (request.get("requiresCompatibilities") or []):
        _fargate(request)
    if request.get("networkMode") == "awsvpc":
        _ports(containers)


def _yes(value: object) -> bool:
    return str(value).lower() == "true"


def _size(request: Record) -> None:
    """Sizes as numbers: "1 vCPU" is 1024 units, "2 GB" are 2048 MiB."""
    for member, unit in (("cpu", "vcpu"), ("memory", "gb")):
        given = request.get(member)
        if given in (None, ""):
            continue
        found = re.fullmatch(rf"(\d+|\d*\.\d+)\s*({unit})?", str(given).strip().lower())
        if found is None or ("." in found[1] and not found[2]):
            raise RequestError("ClientException", f"Invalid '{member}' setting for task: {given}")
        request[member] = str(int(float(found[1]) * 1024)) if found[2] else found[1]


def _fargate(request: Record) -> None:
    if request.get("networkMode", "awsvpc") != "awsvpc":
        raise RequestError("ClientException", "Fargate only supports network mode 'awsvpc'.")
    for member in ("cpu", "memory"):
        if not request.get(member):
            raise RequestError(
                "ClientException", f"Fargate requires that '{member}' be defined at the task level."
            )
    if int(request["memory"]) not in _SIZES.get(int(request["cpu"]), ()):
        raise RequestError(
            "ClientException",
            f"No Fargate configuration exists for given values: {request['cpu']} CPU, "
            f"{request['memory']} memory.",
        )


def _ports(containers: list[Record]) -> None:
    for container in containers:
        for mapping in container.get("portMappings") or []:
            host = mapping.get("hostPort")
            if host not in (None, 0, mapping.get("containerPort")):
                raise RequestError(
                    "ClientException",
                    "When networkMode=awsvpc, the host ports and container ports in port mappings must "
                    "match.",
                )
