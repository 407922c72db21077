"""Application Auto Scaling: scalable targets and scaling policies."""

from __future__ import annotations

from localcloud.resources.base import Made, Properties, Provisioner
from localcloud.scaling import api

_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def _register(properties: Properties) -> Made:
    key = {name: properties[name] for name in _TARGET}
    actions = properties.get("ScheduledActions") or []
    api.register_scalable_target({k: v for k, v in properties.items() if k != "ScheduledActions"})
    wanted = {action["ScheduledActionName"] for action in actions}
    kept = api.describe_scheduled_actions(key)["ScheduledActions"]
    for name in {action["ScheduledActionName"] for action in kept} - wanted:
        api.delete_scheduled_action({**key, "ScheduledActionName": name})
    for action in actions:
        api.put_scheduled_action({**key, **action})
    # What `Ref` gives: "service/cluster/name|ecs:service:DesiredCount|ecs".
    target = "|".join(
        str(properties[name]) for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")
    )
    return target, {"Id": target}


def _delete_target(physical_id: str, properties: Properties) -> None:
    resource, dimension, namespace = physical_id.split("|")
    del properties
    request = {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}
    if api.describe_scalable_targets({**request, "ResourceIds": [resource]})["ScalableTargets"]:
        api.deregister_scalable_target(request)


def _policy(properties: Properties) -> dict[str, object]:
    """The request for a policy, whether the template names its target by reference or by its three parts."""
    request = {name: value for name, value in properties.items() if name != "ScalingTargetId"}
    if properties.get("ScalingTargetId"):
        resource, dimension, namespace = str(properties["ScalingTargetId"]).split("|")
        request |= {"ServiceNamespace": namespace, "ResourceId": resource, "ScalableDimension": dimension}
    return request


def _put(properties: Properties) -> Made:
    arn = api.put_scaling_policy(_policy(properties))["PolicyARN"]
    return arn, {"Arn": arn}


def _delete_policy(physical_id: str, properties: Properties) -> None:
    request = _policy(properties)
    found = api.describe_scaling_policies({**request, "PolicyNames": [request["PolicyName"]]})
    if any(policy["PolicyARN"] == physical_id for policy in found["ScalingPolicies"]):
        api.delete_scaling_policy(request)


PROVISIONERS = {
    "AWS::ApplicationAutoScaling::ScalableTarget": Provisioner.by_put(_register, _delete_target),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Provisioner.by_put(_put, _delete_policy),
}
