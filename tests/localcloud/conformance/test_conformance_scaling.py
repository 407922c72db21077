"""Application Auto Scaling: what it refuses and keeps. Cases of scaling itself belong here as well."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import Account, delete

DIMENSION = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


def target(name: str) -> dict[str, str]:
    return {**DIMENSION, "ResourceId": f"service/{name}/{name}"}


@pytest.fixture
def registered(account: Account, service: str, cleanup: ExitStack) -> dict[str, str]:
    scaling, found = account.client("application-autoscaling"), target(service)
    scaling.register_scalable_target(**found, MinCapacity=0, MaxCapacity=3)
    cleanup.callback(delete, scaling.deregister_scalable_target, **found)
    return found


def test_a_target_is_described_with_its_bounds(account: Account, registered: dict[str, str]) -> None:
    found = account.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[registered["ResourceId"]]
    )["ScalableTargets"]
    assert [(each["MinCapacity"], each["MaxCapacity"]) for each in found] == [(0, 3)]
    assert not any(found[0]["SuspendedState"].values())


@pytest.mark.parametrize("bounds", [{"MinCapacity": 2, "MaxCapacity": 1}, {"MinCapacity": 1}])
def test_bounds_that_are_wrong_or_missing_are_refused(
    account: Account, service: str, bounds: dict[str, Any]
) -> None:
    scaling = account.client("application-autoscaling")
    with pytest.raises(scaling.exceptions.ValidationException):
        scaling.register_scalable_target(**target(service), **bounds)


def test_a_service_that_is_not_there_is_no_target(account: Account, service: str) -> None:
    scaling = account.client("application-autoscaling")
    wrong = {**target(service), "ResourceId": f"service/{service}/none"}
    with pytest.raises(scaling.exceptions.ValidationException, match="ECS service doesn't exist"):
        scaling.register_scalable_target(**wrong, MinCapacity=0, MaxCapacity=1)


def test_a_policy_needs_its_target(account: Account, service: str) -> None:
    scaling = account.client("application-autoscaling")
    policy = {
        "TargetValue": 50.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
    }
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.put_scaling_policy(
            **target(service), PolicyName="p", PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=policy,
        )  # fmt: skip


def test_a_target_that_is_not_there_is_not_deregistered(account: Account, service: str) -> None:
    scaling = account.client("application-autoscaling")
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.deregister_scalable_target(**target(service))


def steps(*bounds: tuple[float | None, float | None]) -> dict[str, Any]:
    """A step scaling policy with an adjustment for each pair of bounds."""
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    adjustments = [
        {"ScalingAdjustment": 1, **{n: b for n, b in zip(names, pair, strict=True) if b is not None}}
        for pair in bounds
    ]
    return {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": adjustments}


@pytest.mark.parametrize(
    "config",
    [steps((0, 10), (5, None)), steps((0, 10), (20, None)), steps((10, 0)), steps((0, 10), (None, None))],
    ids=["overlap", "gap", "turned round", "no bounds"],
)
def test_steps_neither_overlap_nor_leave_gaps(
    account: Account, registered: dict[str, str], config: dict[str, Any]
) -> None:
    scaling = account.client("application-autoscaling")
    with pytest.raises(scaling.exceptions.ValidationException):
        scaling.put_scaling_policy(
            **registered, PolicyName="p", PolicyType="StepScaling", StepScalingPolicyConfiguration=config
        )
    assert (
        scaling.describe_scaling_policies(ServiceNamespace="ecs", PolicyNames=["p"])["ScalingPolicies"] == []
    )


def test_a_policy_goes_with_its_target(account: Account, service: str, registered: dict[str, str]) -> None:
    scaling = account.client("application-autoscaling")
    request = {**registered, "PolicyName": service}
    first = scaling.put_scaling_policy(
        **request, PolicyType="StepScaling", StepScalingPolicyConfiguration=steps((0, None))
    )["PolicyARN"]
    again = scaling.put_scaling_policy(
        **request, PolicyType="StepScaling", StepScalingPolicyConfiguration=steps((0, 5), (5, None))
    )["PolicyARN"]
    assert again == first
    scaling.deregister_scalable_target(**registered)
    found = scaling.describe_scaling_policies(ServiceNamespace="ecs", PolicyNames=[service])
    assert found["ScalingPolicies"] == []
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.delete_scaling_policy(**request)


@pytest.mark.parametrize("schedule", ["at(tomorrow)", "cron(1 2)", "rate(0 minutes)", "every day"])
def test_a_schedule_has_one_of_three_forms(
    account: Account, registered: dict[str, str], schedule: str
) -> None:
    scaling = account.client("application-autoscaling")
    with pytest.raises(scaling.exceptions.ValidationException):
        scaling.put_scheduled_action(
            **registered, ScheduledActionName="a", Schedule=schedule,
            ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 1},
        )  # fmt: skip


def test_a_scheduled_action_that_is_not_there(account: Account, registered: dict[str, str]) -> None:
    scaling = account.client("application-autoscaling")
    with pytest.raises(scaling.exceptions.ObjectNotFoundException):
        scaling.delete_scheduled_action(**registered, ScheduledActionName="none")
