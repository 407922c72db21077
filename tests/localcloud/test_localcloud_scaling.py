"""Application Auto Scaling on the local cloud: policies and scheduled actions as templates have them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud
from tests.localcloud.ecs.cloud_harness import SUBNET_A
from tests.localcloud.every_type import att, ref, resource

ELB = {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount"}
MATH = [
    {"Id": "each", "Expression": "sum / 2", "ReturnData": True},
    {"Id": "sum", "ReturnData": False, "MetricStat": {"Metric": ELB, "Stat": "Sum", "Unit": "Count"}},
]


def action(name: str, hour: int, fewest: int) -> dict[str, Any]:
    return {
        "ScheduledActionName": name, "Schedule": f"cron(0 {hour} * * ? *)", "Timezone": "UTC",
        "ScalableTargetAction": {"MinCapacity": fewest, "MaxCapacity": 2},
    }  # fmt: skip


def template() -> dict[str, Any]:
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}
    return {
        "Resources": {
            "Cluster": resource("ECS::Cluster"),
            "Task": resource("ECS::TaskDefinition", Cpu="256", Memory="512", NetworkMode="awsvpc",
                             RequiresCompatibilities=["FARGATE"],
                             ContainerDefinitions=[{"Name": "a", "Image": "none"}]),
            "Service": resource("ECS::Service", Cluster=ref("Cluster"), TaskDefinition=ref("Task"),
                                DesiredCount=0, LaunchType="FARGATE",
                                NetworkConfiguration={"AwsvpcConfiguration": {"Subnets": [SUBNET_A]}}),
            "Target": resource("ApplicationAutoScaling::ScalableTarget", ServiceNamespace="ecs",
                               ScalableDimension="ecs:service:DesiredCount", MinCapacity=0, MaxCapacity=2,
                               ResourceId={"Fn::Sub": "service/${Cluster}/${Service.Name}"},
                               ScheduledActions=[action("asleep", 20, 0), action("awake", 6, 0)]),
            "Requests": resource("ApplicationAutoScaling::ScalingPolicy", PolicyName="requests",
                                 PolicyType="TargetTrackingScaling", ScalingTargetId=ref("Target"),
                                 TargetTrackingScalingPolicyConfiguration={
                                     "TargetValue": 60, "CustomizedMetricSpecification": {"Metrics": MATH}}),
            "Latency": resource("ApplicationAutoScaling::ScalingPolicy", PolicyName="latency",
                                PolicyType="StepScaling", ScalingTargetId=ref("Target"),
                                StepScalingPolicyConfiguration={
                                    "AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step]}),
            "Slow": resource("CloudWatch::Alarm", **ELB, ComparisonOperator="GreaterThanThreshold",
                             Threshold=1, EvaluationPeriods=1, Period=60, Statistic="Sum",
                             AlarmActions=[ref("Latency")]),
        },
        "Outputs": {"Target": {"Value": ref("Target")}, "Service": {"Value": att("Service", "Name")}},
    }  # fmt: skip


def test_policies_and_scheduled_actions_are_described_and_follow_updates(shared_cloud: Cloud) -> None:
    made = shared_cloud.deploy("scaled", template())
    assert made["StackStatus"] == "CREATE_COMPLETE", shared_cloud.failures("scaled")
    scaling = shared_cloud.client("application-autoscaling")
    found = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    target = found["Target"].split("|")[0]
    assert target.endswith(f"/{found['Service']}")

    def actions() -> dict[str, Any]:
        described = scaling.describe_scheduled_actions(ServiceNamespace="ecs", ResourceId=target)
        return {each["ScheduledActionName"]: each for each in described["ScheduledActions"]}

    assert actions()["asleep"]["Schedule"] == "cron(0 20 * * ? *)"
    assert actions()["awake"]["ScalableTargetAction"] == {"MinCapacity": 0, "MaxCapacity": 2}
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=target)["ScalingPolicies"]
    by_name = {policy["PolicyName"]: policy for policy in policies}
    tracking = by_name["requests"]["TargetTrackingScalingPolicyConfiguration"]
    assert [metric["Id"] for metric in tracking["CustomizedMetricSpecification"]["Metrics"]] == [
        "each",
        "sum",
    ]
    steps = by_name["latency"]["StepScalingPolicyConfiguration"]["StepAdjustments"]
    assert steps == [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}]

    arn = actions()["awake"]["ScheduledActionARN"]
    changed = copy.deepcopy(template())
    changed["Resources"]["Target"]["Properties"]["ScheduledActions"] = [action("awake", 7, 1)]
    del changed["Resources"]["Requests"]
    assert shared_cloud.deploy("scaled", changed, "UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    assert {name: each["Schedule"] for name, each in actions().items()} == {"awake": "cron(0 7 * * ? *)"}
    assert actions()["awake"]["ScheduledActionARN"] == arn
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=target)["ScalingPolicies"]
    assert [policy["PolicyName"] for policy in policies] == ["latency"]

    changed["Resources"]["Target"]["Properties"]["ScheduledActions"] = [
        action("awake", 7, 1) | {"Schedule": "7"}
    ]
    assert shared_cloud.deploy("scaled", changed, "UPDATE")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert any("Unrecognized schedule" in event[2] for event in shared_cloud.failures("scaled"))
    assert list(actions()) == ["awake"]
    assert shared_cloud.delete("scaled")["StackStatus"] == "DELETE_COMPLETE"
    assert actions() == {}
    with pytest.raises(ClientError, match="No scheduled action found"):
        scaling.delete_scheduled_action(
            ServiceNamespace="ecs", ResourceId=target, ScalableDimension="ecs:service:DesiredCount",
            ScheduledActionName="awake",
        )  # fmt: skip
