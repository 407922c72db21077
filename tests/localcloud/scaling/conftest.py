"""A local cloud in which a minute takes a second, with a service that scales."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.ecs.cloud_harness import LocalCloud, until

RESOURCE = {
    "ServiceNamespace": "ecs", "ResourceId": "service/c/s", "ScalableDimension": "ecs:service:DesiredCount",
}  # fmt: skip


class Scaled:
    """The service `s` of the cluster `c` with its scalable target."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.api, self.alarms = cloud.client("application-autoscaling"), cloud.client("cloudwatch")

    def begin(self, count: int, least: int = 1, most: int = 6) -> None:
        self.cloud.service(self.cloud.task_definition(self.cloud.push()), self.cloud.balancer(), count=count)
        self.cloud.stable(count)
        self.api.register_scalable_target(**RESOURCE, MinCapacity=least, MaxCapacity=most)

    def desired(self) -> int:
        return int(self.cloud.described()["desiredCount"])

    def becomes(self, count: int) -> None:
        until(lambda: self.desired() == count)

    def step_policy(self, name: str, steps: list[dict[str, Any]], above: bool = True, **config: Any) -> str:
        """A policy with an alarm of its name at 50 that acts through it; the policy's ARN."""
        config = {"AdjustmentType": "ChangeInCapacity", "Cooldown": 3600, "StepAdjustments": steps, **config}
        arn: str = self.api.put_scaling_policy(
            **RESOURCE, PolicyName=name, PolicyType="StepScaling", StepScalingPolicyConfiguration=config
        )["PolicyARN"]
        self.alarms.put_metric_alarm(
            AlarmName=name, Namespace="Nothing", MetricName="There", Statistic="Average", Period=60,
            EvaluationPeriods=1, Threshold=50, TreatMissingData="ignore", AlarmActions=[arn],
            ComparisonOperator="GreaterThanThreshold" if above else "LessThanThreshold",
        )  # fmt: skip
        return arn

    def track(self, name: str, target: float, **config: Any) -> dict[str, str]:
        """A target tracking policy on a metric of its name; the names of its alarms by their kind."""
        metric = {"MetricName": name, "Namespace": "Test", "Statistic": "Average"}
        made = self.api.put_scaling_policy(
            **RESOURCE, PolicyName=name, PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": target, "CustomizedMetricSpecification": metric, **config,
            },
        )  # fmt: skip
        return {
            kind: alarm["AlarmName"]
            for alarm in made["Alarms"]
            for kind in ("AlarmHigh", "AlarmLow")
            if kind in alarm["AlarmName"]
        }

    def alarm(self, name: str, *measured: float, state: str = "ALARM") -> None:
        data = json.dumps({"recentDatapoints": measured})
        more = {"StateReasonData": data} if measured else {}
        self.alarms.set_alarm_state(AlarmName=name, StateValue=state, StateReason="tried", **more)

    def activities(self, everything: bool = False) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.describe_scaling_activities(
            ServiceNamespace="ecs", IncludeNotScaledActivities=everything
        )["ScalingActivities"]
        return found


@pytest.fixture
def scaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scaled]:
    monkeypatch.setenv("LOCAL_SPEED", "60")
    cloud = LocalCloud(tmp_path / "state")
    cloud.up()
    yield Scaled(cloud)
    cloud.end()
    assert cloud.processes() == []
