"""ECS: task definitions and services as the template says them, and a stack that waits for its services.

MiniStack's own provisioners drop some members (Secrets, HealthCheck, StopTimeout, ...) and answer before a
single task runs. These pass everything on, and a service is complete when its deployment is; a
deployment that
fails makes
the resource fail with its reason.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from localcloud import emulator
from localcloud.operations import current, current_or_none, on_loop, run_on_loop
from localcloud.resources.base import Made, Properties, Provisioner, ServiceRefusedError, call, camel

#: How long a deletion waits for tasks to stop: the longest StopTimeout, and some time around it.
_DRAIN_SECONDS = 180.0


def _ecs() -> Any:
    return emulator.module("services.ecs")


def _create_task_definition(logical_id: str, properties: Properties, stack_name: str) -> Made:
    request = {**camel(properties), "family": properties.get("Family") or f"{stack_name}-{logical_id}"}
    answer = call("Ecs", _ecs()._register_task_definition, request)
    arn = answer["taskDefinition"]["taskDefinitionArn"]
    return arn, {"TaskDefinitionArn": arn}


def _update_task_definition(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    """Tags are all that changes in place."""
    del stack_name
    _retag(physical_id, old, new)
    return physical_id, {"TaskDefinitionArn": physical_id}


def _retag(arn: str, old: Properties, new: Properties) -> None:
    before = {tag["Key"]: tag["Value"] for tag in old.get("Tags") or []}
    after = {tag["Key"]: tag["Value"] for tag in new.get("Tags") or []}
    if gone := sorted(before.keys() - after.keys()):
        call("Ecs", _ecs()._untag_resource, {"resourceArn": arn, "tagKeys": gone})
    if after != before:
        tags = [{"key": key, "value": value} for key, value in after.items()]
        call("Ecs", _ecs()._tag_resource, {"resourceArn": arn, "tags": tags})


def _create_service(logical_id: str, properties: Properties, stack_name: str) -> Made:
    """Runs on a worker thread; returns when the service is stable."""
    naming = emulator.module("services.cloudformation.provisioners")
    name = properties.get("ServiceName") or naming._physical_name(stack_name, logical_id)
    request = {**camel(properties), "serviceName": name}

    def create() -> Made:
        service = call("Ecs", _ecs()._create_service, request)["service"]
        made = (service["serviceArn"], {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]})
        current().creation_initiated(logical_id, "AWS::ECS::Service", *made, properties)
        return made

    made = on_loop(create)
    _wait_until_stable(made[0])
    return made


#: What UpdateService does not take; a change to any of these replaces the service or has a call of its own.
_NOT_UPDATED = frozenset({"cluster", "serviceName", "tags", "launchType", "schedulingStrategy", "role"})


def _update_service(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    """Runs on a worker thread; returns when the service is stable again."""
    del stack_name
    cluster, name = _cluster_and_name(physical_id)
    before, after = camel(old), camel(new)
    request = {
        key: value for key, value in after.items() if key not in _NOT_UPDATED and value != before.get(key)
    }
    for key in before.keys() - after.keys() - _NOT_UPDATED:
        if key in ("loadBalancers", "serviceRegistries", "capacityProviderStrategy"):
            request[key] = []

    def update() -> None:
        _retag(physical_id, old, new)
        call("Ecs", _ecs()._update_service, {"cluster": cluster, "service": name, **request})

    on_loop(update)
    _wait_until_stable(physical_id)
    return physical_id, {"ServiceArn": physical_id, "Name": name}


def _delete_service(physical_id: str, properties: Properties) -> None:
    """Runs on a worker thread; returns when the last task has stopped, so that what they used can go next."""
    del properties
    cluster, name = _cluster_and_name(physical_id)

    def delete() -> bool:
        if f"{cluster}/{name}" not in _ecs()._services:
            return False
        call("Ecs", _ecs()._delete_service, {"cluster": cluster, "service": name, "force": True})
        return True

    if not on_loop(delete):
        return
    deadline = time.monotonic() + _DRAIN_SECONDS
    while on_loop(lambda: _running_tasks(cluster, name)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"tasks of service {name} are still running after {_DRAIN_SECONDS:.0f} s")
        time.sleep(0.1)


def _running_tasks(cluster: str, service: str) -> int:
    return sum(
        1
        for task in _ecs()._tasks.values()
        if task.get("group") == f"service:{service}"
        and task.get("clusterArn", "").endswith(f"/{cluster}")
        and task.get("lastStatus") != "STOPPED"
    )


def _cluster_and_name(arn: str) -> tuple[str, str]:
    cluster, name = arn.split(":service/", 1)[1].split("/", 1)
    return cluster, name


def _wait_until_stable(arn: str) -> None:
    from localcloud import ecs

    cluster, name = _cluster_and_name(arn)
    try:
        waiting = ecs.wait_service_stable(cluster, name)
        if asyncio.iscoroutine(waiting):
            operation = current_or_none()
            run_on_loop(waiting, lambda: operation is not None and operation.cancelled)
    except asyncio.CancelledError:
        raise ValueError("Resource update cancelled") from None
    except ecs.ServiceDeploymentFailed as exc:
        raise ValueError(
            f"Resource handler returned message: \"Error occurred during operation '{exc}'.\" "
            f"(HandlerErrorCode: GeneralServiceException)"
        ) from exc


def install() -> None:
    """Let an update of a cluster leave alone what the associations, a resource of their own, say."""
    entry = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS["AWS::ECS::Cluster"]
    update = entry["update"]

    def updating(physical_id: str, old: Properties, new: Properties, *rest: Any) -> Made:
        cluster = _ecs()._clusters.get(physical_id) or {}
        members = {"CapacityProviders": "capacityProviders",
                   "DefaultCapacityProviderStrategy": "defaultCapacityProviderStrategy"}  # fmt: skip
        kept = {
            there: cluster[there]
            for name, there in members.items()
            if there in cluster and name not in old and name not in new
        }
        made: Made = update(physical_id, old, new, *rest)
        if made[0] == physical_id:
            _ecs()._clusters[physical_id].update(kept)
        return made

    entry["update"] = updating


def _put_associations(properties: Properties) -> Made:
    request = camel(properties)
    call("Ecs", _ecs()._put_cluster_capacity_providers, request)
    return properties["Cluster"], {}


def _delete_associations(physical_id: str, properties: Properties) -> None:
    del properties
    request = {"cluster": physical_id, "capacityProviders": [], "defaultCapacityProviderStrategy": []}
    call("Ecs", _ecs()._put_cluster_capacity_providers, request)


def _delete_cluster(physical_id: str, properties: Properties) -> None:
    """What still runs in it holds it, as on AWS."""
    del properties
    try:
        call("Ecs", _ecs()._delete_cluster, {"cluster": physical_id})
    except ServiceRefusedError as exc:
        if "ClusterNotFoundException" not in str(exc):
            raise


PROVISIONERS = {
    "AWS::ECS::Cluster": Provisioner(delete=_delete_cluster),
    "AWS::ECS::TaskDefinition": Provisioner(_create_task_definition, _update_task_definition),
    "AWS::ECS::Service": Provisioner(_create_service, _update_service, _delete_service),
    "AWS::ECS::ClusterCapacityProviderAssociations": Provisioner.by_put(
        _put_associations, _delete_associations
    ),
}
