"""Application Auto Scaling for ECS services: the records and their API.

A scalable target bounds its service's desired count from the moment it is registered, as on AWS. Policies and
scheduled actions are kept and described; nothing acts on their metrics and times.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from localcloud import emulator
from localcloud.resources.base import call

#: `X-Amz-Target` begins with this.
TARGET_PREFIX = "AnyScaleFrontendService."

Record = dict[str, Any]


class AutoScalingError(Exception):
    """An error answer of the API; `code` is its exception name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Store:
    """Targets, policies and actions of every region; JSON as it stands, so it is saved as it stands."""

    def __init__(self) -> None:
        self.targets: dict[str, Record] = {}
        self.policies: dict[str, Record] = {}
        self.actions: dict[str, Record] = {}

    def state(self) -> Any:
        """What is saved."""
        return {"targets": self.targets, "policies": self.policies, "actions": self.actions}

    def load(self, saved: Any) -> None:
        """Take what was saved before; None when there is nothing."""
        if saved:
            self.targets, self.policies = saved["targets"], saved["policies"]
            self.actions = saved.get("actions", {})


STORE = Store()


def _region() -> str:
    region: str = emulator.module("core.responses").get_region()
    return region


def _arn(kind: str, tail: str) -> str:
    account = emulator.module("core.responses").get_account_id()
    return f"arn:aws:{kind}:{_region()}:{account}:{tail}"


def _key(request: Record, *names: str) -> str:
    missing = [name for name in names if not request.get(name)]
    if missing:
        raise AutoScalingError("ValidationException", f"{', '.join(missing)} must not be null")
    return "|".join([_region(), *(str(request[name]) for name in names)])


_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_POLICY = (*_TARGET, "PolicyName")
_SCHEDULED = (*_TARGET, "ScheduledActionName")


def _service(request: Record) -> tuple[str, str]:
    """Cluster and service of `service/<cluster>/<service>`."""
    parts = str(request["ResourceId"]).split("/")
    if (
        request["ServiceNamespace"] != "ecs"
        or request["ScalableDimension"] != "ecs:service:DesiredCount"
        or len(parts) != 3
        or parts[0] != "service"
    ):
        raise AutoScalingError(
            "ValidationException",
            "the local cloud scales the desired count of ECS services only: ServiceNamespace ecs, "
            "ScalableDimension "
            "ecs:service:DesiredCount, ResourceId service/<cluster>/<service>",
        )
    return parts[1], parts[2]


def register_scalable_target(request: Record) -> Record:
    """Create or change a scalable target, and move its service's desired count into the bounds."""
    key = _key(request, *_TARGET)
    cluster, service = _service(request)
    ecs = emulator.module("services.ecs")
    found = ecs._services.get(f"{cluster}/{service}")
    if found is None or found["status"] != "ACTIVE":
        raise AutoScalingError("ValidationException", f"ECS service doesn't exist: {request['ResourceId']}")
    old = STORE.targets.get(key)
    if old is None and (request.get("MinCapacity") is None or request.get("MaxCapacity") is None):
        raise AutoScalingError(
            "ValidationException", "MinCapacity and MaxCapacity are required to register a target"
        )
    target = dict(old) if old else {
        **{name: request[name] for name in _TARGET},
        "RoleARN": _arn("iam", "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
                               "AWSServiceRoleForApplicationAutoScaling_ECSService")
                        .replace(f":{_region()}:", "::", 1),
        "CreationTime": time.time(),
        "ScalableTargetARN": _arn("application-autoscaling", f"scalable-target/{uuid.uuid4().hex[:16]}"),
        "SuspendedState": {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": False,
                           "ScheduledScalingSuspended": False},
    }  # fmt: skip
    for name in ("MinCapacity", "MaxCapacity"):
        if request.get(name) is not None:
            target[name] = int(request[name])
    if target["MinCapacity"] > target["MaxCapacity"]:
        raise AutoScalingError("ValidationException", "Maximum capacity cannot be less than minimum capacity")
    target["SuspendedState"] = {**target["SuspendedState"], **(request.get("SuspendedState") or {})}
    if request.get("RoleARN"):
        target["RoleARN"] = request["RoleARN"]
    STORE.targets[key] = target
    desired = min(max(found["desiredCount"], target["MinCapacity"]), target["MaxCapacity"])
    if desired != found["desiredCount"]:
        call("Ecs", ecs._update_service, {"cluster": cluster, "service": service, "desiredCount": desired})
    return {"ScalableTargetARN": target["ScalableTargetARN"]}


def deregister_scalable_target(request: Record) -> Record:
    """Remove a scalable target with its policies and actions; the desired count stays as it is."""
    key = _key(request, *_TARGET)
    if STORE.targets.pop(key, None) is None:
        raise _not_found("scalable target", request)
    for store in (STORE.policies, STORE.actions):
        for name in [name for name in store if name.startswith(f"{key}|")]:
            del store[name]
    return {}


def put_scaling_policy(request: Record) -> Record:
    """Create or change a policy of a registered target."""
    key = _key(request, *_POLICY)
    if _key(request, *_TARGET) not in STORE.targets:
        raise _not_found("scalable target", request)
    old = STORE.policies.get(key)
    kept = ("PolicyARN", "CreationTime", "PolicyType") if old else ()
    policy = {
        "PolicyARN": _arn(
            "autoscaling",
            f"scalingPolicy:{uuid.uuid4()}:resource/ecs/{request['ResourceId']}:policyName/{request['PolicyName']}",
        ),
        "CreationTime": time.time(),
        "PolicyType": "StepScaling",
        **{name: old[name] for name in kept if old},
        **{name: value for name, value in request.items() if value is not None and name != "Tags"},
        "Alarms": [],
    }
    STORE.policies[key] = policy
    return {"PolicyARN": policy["PolicyARN"], "Alarms": []}


def delete_scaling_policy(request: Record) -> Record:
    """Remove a policy."""
    if STORE.policies.pop(_key(request, *_POLICY), None) is None:
        raise _not_found("scaling policy", request)
    return {}


def put_scheduled_action(request: Record) -> Record:
    """Create or change a scheduled action of a registered target."""
    key = _key(request, *_SCHEDULED)
    if _key(request, *_TARGET) not in STORE.targets:
        raise _not_found("scalable target", request)
    schedule = str(request.get("Schedule", ""))
    if not schedule.startswith(("at(", "rate(", "cron(")):
        raise AutoScalingError("ValidationException", f"Unrecognized schedule expression: {schedule}")
    old = STORE.actions.get(key)
    tail = (
        f"scheduledAction:{uuid.uuid4()}:resource/{request['ServiceNamespace']}/{request['ResourceId']}:"
        f"scheduledActionName/{request['ScheduledActionName']}"
    )
    STORE.actions[key] = {
        "ScheduledActionARN": old["ScheduledActionARN"] if old else _arn("autoscaling", tail),
        "CreationTime": old["CreationTime"] if old else time.time(),
        **{name: value for name, value in request.items() if value is not None},
    }
    return {}


def delete_scheduled_action(request: Record) -> Record:
    """Remove a scheduled action."""
    if STORE.actions.pop(_key(request, *_SCHEDULED), None) is None:
        raise _not_found("scheduled action", request)
    return {}


def describe_scheduled_actions(request: Record) -> Record:
    """The scheduled actions of a namespace, all on one page."""
    names, resource = request.get("ScheduledActionNames"), request.get("ResourceId")
    return {"ScheduledActions": [
        action for action in _matching(STORE.actions, request)
        if (not names or action["ScheduledActionName"] in names)
        and (not resource or action["ResourceId"] == resource)
    ]}  # fmt: skip


def _not_found(what: str, request: Record) -> AutoScalingError:
    return AutoScalingError(
        "ObjectNotFoundException",
        f"No {what} found for service namespace: {request['ServiceNamespace']}, resource ID: "
        f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}",
    )


def describe_scalable_targets(request: Record) -> Record:
    """The targets of a namespace, all on one page."""
    wanted = request.get("ResourceIds")
    return {"ScalableTargets": [
        target for target in _matching(STORE.targets, request) if not wanted or target["ResourceId"] in wanted
    ]}  # fmt: skip


def describe_scaling_policies(request: Record) -> Record:
    """The policies of a namespace, all on one page."""
    names, resource = request.get("PolicyNames"), request.get("ResourceId")
    return {"ScalingPolicies": [
        policy for policy in _matching(STORE.policies, request)
        if (not names or policy["PolicyName"] in names) and (not resource or policy["ResourceId"] == resource)
    ]}  # fmt: skip


def _matching(records: dict[str, Record], request: Record) -> list[Record]:
    key = _key(request, "ServiceNamespace")
    dimension = request.get("ScalableDimension")
    return [
        record for name, record in records.items()
        if name.startswith(f"{key}|") and (not dimension or record["ScalableDimension"] == dimension)
    ]  # fmt: skip


_ACTIONS: dict[str, Callable[[Record], Record]] = {
    "RegisterScalableTarget": register_scalable_target,
    "DeregisterScalableTarget": deregister_scalable_target,
    "DescribeScalableTargets": describe_scalable_targets,
    "PutScalingPolicy": put_scaling_policy,
    "DeleteScalingPolicy": delete_scaling_policy,
    "DescribeScalingPolicies": describe_scaling_policies,
    "DescribeScalingActivities": lambda _: {"ScalingActivities": []},
    "PutScheduledAction": put_scheduled_action,
    "DeleteScheduledAction": delete_scheduled_action,
    "DescribeScheduledActions": describe_scheduled_actions,
}


def handle(target: str, body: bytes) -> tuple[int, Record]:
    """Answer one request: the HTTP status and the JSON body. The region must be set already."""
    action = _ACTIONS.get(target.removeprefix(TARGET_PREFIX))
    if action is None:
        return 400, {
            "__type": "UnknownOperationException",
            "message": f"{target} is not part of the local cloud",
        }
    try:
        return 200, action(json.loads(body or b"{}"))
    except AutoScalingError as exc:
        return 400, {"__type": exc.code, "message": str(exc)}
