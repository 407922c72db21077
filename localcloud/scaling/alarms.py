"""The alarms of scaling policies: the two that target tracking makes, and what an alarm has measured."""

from __future__ import annotations

import json
import uuid
from typing import Any

from localcloud import emulator, metrics
from localcloud.resources.base import call
from localcloud.resources.cloudwatch import put_metric_alarm
from localcloud.scaling.records import Record, ScalingError

#: Minutes above the target before scaling out, minutes well under it before scaling in; as on AWS.
_OUT_MINUTES, _IN_MINUTES = 3, 15
#: Scaling in waits for the metric to be this part of the target, so that it does not swing.
_LOW = 0.9
_HIGH_RESOLUTION_SECONDS = 20

_ECS_METRICS = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageCPUUtilizationHighResolution": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def _cloudwatch() -> Any:
    return emulator.module("services.cloudwatch")


def metric(policy: Record) -> Record:
    """What a target tracking policy looks at, as the members of an alarm; `Period` in seconds.

    Raises ScalingError when the policy names no metric that a service of ECS has.
    """
    config = policy.get("TargetTrackingScalingPolicyConfiguration") or {}
    predefined = config.get("PredefinedMetricSpecification")
    customized = config.get("CustomizedMetricSpecification")
    if not config.get("TargetValue") or (predefined is None) == (customized is None):
        raise ScalingError(
            "ValidationException",
            "a target tracking policy needs TargetValue, and either PredefinedMetricSpecification or "
            "CustomizedMetricSpecification in TargetTrackingScalingPolicyConfiguration",
        )
    if customized is not None:
        return _customized(customized)
    given: Record = predefined or {}
    kind, label = given.get("PredefinedMetricType"), str(given.get("ResourceLabel") or "")
    if kind in _ECS_METRICS:
        _, cluster, service = str(policy["ResourceId"]).split("/")
        found = {"ClusterName": cluster, "ServiceName": service}
        period = _HIGH_RESOLUTION_SECONDS if kind.endswith("HighResolution") else 60
        return _single("AWS/ECS", _ECS_METRICS[kind], found, "Average", period)
    balancer, found_group, group = label.partition("/targetgroup/")
    if kind != "ALBRequestCountPerTarget" or not found_group:
        raise ScalingError(
            "ValidationException",
            f"PredefinedMetricType {kind} with ResourceLabel {label!r} does not fit a service of ECS: "
            f"{', '.join(_ECS_METRICS)}, or ALBRequestCountPerTarget with ResourceLabel "
            "app/<balancer>/<id>/targetgroup/<group>/<id>",
        )
    found = {"LoadBalancer": balancer, "TargetGroup": f"targetgroup/{group}"}
    return _single("AWS/ApplicationELB", "RequestCountPerTarget", found, "Sum", 60)


def _single(namespace: str, name: str, dimensions: dict[str, str], statistic: str, period: int) -> Record:
    return {
        "Namespace": namespace, "MetricName": name, "Statistic": statistic, "Period": period,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }  # fmt: skip


def _customized(given: Record) -> Record:
    queries = given.get("Metrics")
    if not queries:
        if not (given.get("MetricName") and given.get("Namespace") and given.get("Statistic")):
            raise ScalingError(
                "ValidationException",
                "CustomizedMetricSpecification needs Metrics, or MetricName, Namespace and Statistic",
            )
        return {"Period": 60, **given}
    return {
        "Metrics": [
            {**query, "MetricStat": {"Period": 60, **query["MetricStat"]}}
            if query.get("MetricStat")
            else {**query}
            for query in queries
        ]
    }


def put(policy: Record) -> list[Record]:
    """Make, or change, the alarms of a target tracking policy; what PutScalingPolicy answers of them."""
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    looks_at, target = metric(policy), float(config["TargetValue"])
    period = int(looks_at.get("Period", 60))
    kept = {name: alarm for alarm in policy.get("Alarms") or [] for name in [kind(alarm["AlarmName"])]}
    sides = [("AlarmHigh", "GreaterThanThreshold", target, _OUT_MINUTES)]
    if not config.get("DisableScaleIn"):
        sides.append(("AlarmLow", "LessThanThreshold", target * _LOW, _IN_MINUTES))
    made = []
    for side, operator, threshold, minutes in sides:
        old = kept.pop(side, None)
        name = old["AlarmName"] if old else f"TargetTracking-{policy['ResourceId']}-{side}-{uuid.uuid4()}"
        # A high-resolution policy is as quick as its metric.
        periods = minutes if side == "AlarmHigh" else minutes * 60 // period
        properties = {
            **looks_at, "AlarmName": name, "ComparisonOperator": operator, "Threshold": threshold,
            "EvaluationPeriods": periods, "AlarmActions": [policy["PolicyARN"]],
            "AlarmDescription": "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
                                f"{policy['PolicyARN']}.",
        }  # fmt: skip
        made.append({"AlarmName": name, "AlarmARN": put_metric_alarm(name, properties)[1]["Arn"]})
    delete(list(kept.values()))
    return made


def made(policy: Record) -> bool:
    """Whether the alarms of a target tracking policy are there."""
    there = _cloudwatch()._alarms
    return bool(policy["Alarms"]) and all(alarm["AlarmName"] in there for alarm in policy["Alarms"])


def delete(alarms: list[Record]) -> None:
    """Delete alarms that target tracking made, those that are still there."""
    there = [alarm["AlarmName"] for alarm in alarms if alarm["AlarmName"] in _cloudwatch()._alarms]
    if there:
        call("CloudWatch", _cloudwatch()._delete_alarms, {}, {"AlarmNames": there}, False, True)


def kind(name: str) -> str:
    """AlarmHigh or AlarmLow, of the name of an alarm of target tracking."""
    return "AlarmLow" if "-AlarmLow-" in name else "AlarmHigh"


def of_policy(policy: Record) -> list[Record]:
    """The alarms with the policy among their actions."""
    arn = policy["PolicyARN"]
    return [
        alarm
        for alarm in _cloudwatch()._alarms.values()
        if any(arn in (alarm.get(actions) or []) for actions in _ACTIONS.values())
    ]


def firing(policy: Record) -> list[Record]:
    """Those of the policy's alarms whose state has the policy as its action now."""
    return [
        alarm
        for alarm in of_policy(policy)
        if alarm.get("ActionsEnabled", True)
        and policy["PolicyARN"] in (alarm.get(_ACTIONS.get(alarm["StateValue"], "")) or [])
    ]


def values(alarm: Record) -> list[float]:
    """What the alarm measured in its evaluation periods, the oldest first, missing ones left out.

    Without any, what SetAlarmState said it measured; without that, it counts as standing at its threshold.
    """
    found = metrics.recent(alarm)
    if not any(value is not None for value in found) and (reason := alarm.get("StateReasonData")):
        known = json.loads(reason) if isinstance(reason, str) else reason
        found = list(known.get("recentDatapoints") or []) if isinstance(known, dict) else []
    return [float(value) for value in found if value is not None] or [float(alarm.get("Threshold") or 0)]
