"""The API of Application Auto Scaling: scalable targets, policies, scheduled actions and activities."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

from localcloud.scaling import activities, alarms, checks, control, records, schedule, targets
from localcloud.scaling.records import POLICY, SCHEDULED, STORE, TARGET, Record, ScalingError, not_found

#: `X-Amz-Target` begins with this.
TARGET_PREFIX = "AnyScaleFrontendService."


def register_scalable_target(request: Record) -> Record:
    """Create or change a scalable target, and move its service's desired count into the bounds."""
    key = records.key(request, *TARGET)
    if targets.service(request) is None:
        raise ScalingError("ValidationException", f"ECS service doesn't exist: {request['ResourceId']}")
    old = STORE.targets.get(key)
    if old is None and (request.get("MinCapacity") is None or request.get("MaxCapacity") is None):
        raise ScalingError(
            "ValidationException", "MinCapacity and MaxCapacity are required to register a target"
        )
    target = dict(old) if old else {
        **{name: request[name] for name in TARGET},
        "RoleARN": records.arn("iam", "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"
                               "AWSServiceRoleForApplicationAutoScaling_ECSService")
                        .replace(f":{records.region()}:", "::", 1),
        "CreationTime": time.time(),
        "ScalableTargetARN": records.arn("application-autoscaling",
                                         f"scalable-target/{uuid.uuid4().hex[:16]}"),
        "SuspendedState": {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": False,
                           "ScheduledScalingSuspended": False},
    }  # fmt: skip
    for name in ("MinCapacity", "MaxCapacity"):
        if request.get(name) is not None:
            target[name] = int(request[name])
    if target["MinCapacity"] > target["MaxCapacity"]:
        raise ScalingError("ValidationException", "Maximum capacity cannot be less than minimum capacity")
    target["SuspendedState"] = {**target["SuspendedState"], **(request.get("SuspendedState") or {})}
    if request.get("RoleARN"):
        target["RoleARN"] = request["RoleARN"]
    STORE.targets[key] = target
    targets.bring_within(key, target)
    control.kick()
    return {"ScalableTargetARN": target["ScalableTargetARN"]}


def deregister_scalable_target(request: Record) -> Record:
    """Remove a scalable target with its policies and actions; the desired count stays as it is."""
    key = records.key(request, *TARGET)
    if STORE.targets.pop(key, None) is None:
        raise not_found("scalable target", request)
    for name, policy in STORE.of_target(STORE.policies, key).items():
        alarms.delete(policy["Alarms"])
        del STORE.policies[name]
    for name in STORE.of_target(STORE.actions, key):
        del STORE.actions[name]
    return {}


def put_scaling_policy(request: Record) -> Record:
    """Create or change a policy of a registered target, with the alarms that target tracking acts by."""
    key = records.key(request, *POLICY)
    if records.key(request, *TARGET) not in STORE.targets:
        raise not_found("scalable target", request)
    old = STORE.policies.get(key, {})
    policy = {
        "PolicyARN": records.arn(
            "autoscaling",
            f"scalingPolicy:{uuid.uuid4()}:resource/ecs/{request['ResourceId']}:policyName/{request['PolicyName']}",
        ),
        "CreationTime": time.time(),
        "PolicyType": "StepScaling",
        "Alarms": [],
        **old,
        **{name: value for name, value in request.items() if value is not None and name != "Tags"},
    }
    if old and old["PolicyType"] != policy["PolicyType"]:
        raise ScalingError("ValidationException", "The PolicyType of a policy cannot be changed")
    checks.policy(policy)
    if policy["PolicyType"] == "TargetTrackingScaling":
        policy["Alarms"] = alarms.put(policy)
    STORE.policies[key] = policy
    control.kick()
    return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}


def delete_scaling_policy(request: Record) -> Record:
    """Remove a policy, and the alarms that target tracking made for it."""
    policy = STORE.policies.pop(records.key(request, *POLICY), None)
    if policy is None:
        raise not_found("scaling policy", request)
    alarms.delete(policy["Alarms"])
    return {}


def put_scheduled_action(request: Record) -> Record:
    """Create or change a scheduled action of a registered target."""
    key = records.key(request, *SCHEDULED)
    if records.key(request, *TARGET) not in STORE.targets:
        raise not_found("scalable target", request)
    old = STORE.actions.get(key, {})
    tail = (
        f"scheduledAction:{uuid.uuid4()}:resource/{request['ServiceNamespace']}/{request['ResourceId']}:"
        f"scheduledActionName/{request['ScheduledActionName']}"
    )
    action = {
        "ScheduledActionARN": records.arn("autoscaling", tail),
        "CreationTime": time.time(),
        "_base": schedule.now(),
        **old,
        **{name: value for name, value in request.items() if value is not None},
        "_from": schedule.now(),
    }
    for name in ("StartTime", "EndTime"):
        if request.get(name) is not None:
            action[name] = schedule.instant(request[name])
        elif request.get("Schedule"):
            action.pop(name, None)
    schedule.check(action)
    STORE.actions[key] = action
    control.kick()
    return {}


def delete_scheduled_action(request: Record) -> Record:
    """Remove a scheduled action."""
    if STORE.actions.pop(records.key(request, *SCHEDULED), None) is None:
        raise not_found("scheduled action", request)
    return {}


def describe_scheduled_actions(request: Record) -> Record:
    """The scheduled actions of a namespace, all on one page."""
    names, resource = request.get("ScheduledActionNames"), request.get("ResourceId")
    return {"ScheduledActions": [
        action for action in _matching(STORE.actions, request)
        if (not names or action["ScheduledActionName"] in names)
        and (not resource or action["ResourceId"] == resource)
    ]}  # fmt: skip


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
        _described(policy) for policy in _matching(STORE.policies, request)
        if (not names or policy["PolicyName"] in names) and (not resource or policy["ResourceId"] == resource)
    ]}  # fmt: skip


def describe_scaling_activities(request: Record) -> Record:
    """What was done to the targets of a namespace, the newest first, all on one page."""
    key, resource = records.key(request, "ServiceNamespace"), request.get("ResourceId")
    dimension, everything = request.get("ScalableDimension"), request.get("IncludeNotScaledActivities")
    for name, kept in STORE.activities.items():
        if name.startswith(f"{key}|"):
            activities.settle(name, targets.service(kept[0]))
    found = [
        activity
        for name, kept in STORE.activities.items()
        for activity in kept
        if name.startswith(f"{key}|")
        and (not resource or activity["ResourceId"] == resource)
        and (not dimension or activity["ScalableDimension"] == dimension)
        and (everything or not activity.get("NotScaledReasons"))
    ]
    found.sort(key=lambda activity: activity["StartTime"], reverse=True)
    return {"ScalingActivities": [records.public(activity) for activity in found]}


def _described(policy: Record) -> Record:
    """A policy with all alarms that act through it, as AWS lists them."""
    found = [
        {"AlarmName": alarm["AlarmName"], "AlarmARN": alarm["AlarmArn"]} for alarm in alarms.of_policy(policy)
    ]
    return {**records.public(policy), "Alarms": found}


def _matching(kept: dict[str, Record], request: Record) -> list[Record]:
    key = records.key(request, "ServiceNamespace")
    dimension = request.get("ScalableDimension")
    return [
        records.public(record) for name, record in kept.items()
        if name.startswith(f"{key}|") and (not dimension or record["ScalableDimension"] == dimension)
    ]  # fmt: skip


_ACTIONS: dict[str, Callable[[Record], Record]] = {
    "RegisterScalableTarget": register_scalable_target,
    "DeregisterScalableTarget": deregister_scalable_target,
    "DescribeScalableTargets": describe_scalable_targets,
    "PutScalingPolicy": put_scaling_policy,
    "DeleteScalingPolicy": delete_scaling_policy,
    "DescribeScalingPolicies": describe_scaling_policies,
    "DescribeScalingActivities": describe_scaling_activities,
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
    except ScalingError as exc:
        return 400, {"__type": exc.code, "message": str(exc)}
