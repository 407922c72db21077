"""What AWS's deployment settings mean, and what it refuses; the shapes of what is answered."""

from __future__ import annotations

from collections import Counter
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape
from cloud_harness import NETWORK, LocalCloud

from localcloud import speed
from localcloud.ecs import capacity, strategies
from localcloud.ecs.configuration import RefusedError, deployment_configuration
from localcloud.ecs.failures import breaker_threshold
from tests.localcloud.ecs.shifting_harness import BREAKER, Shifting


@pytest.mark.parametrize(
    ("given", "steps", "minutes"),
    [
        ({"strategy": "BLUE_GREEN"}, [(100, 0)], 15),
        ({"strategy": "CANARY"}, [(5, 10), (100, 0)], 25),
        (
            {"strategy": "CANARY", "bakeTimeInMinutes": 0, "canaryConfiguration": {"canaryPercent": "12.5"}},
            [(12.5, 10), (100, 0)],
            10,
        ),
        (
            {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 30, "stepBakeTimeInMinutes": 2}},
            [(30, 2), (60, 2), (90, 2), (100, 0)],
            21,
        ),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 100}}, [(100, 0)], 15),
    ],
)
def test_the_steps_of_a_strategy(
    given: dict[str, Any], steps: list[tuple[float, float]], minutes: float
) -> None:
    config = deployment_configuration(given)
    assert strategies.plan(config) == steps
    assert strategies.waiting_minutes(config) == minutes


def test_a_rolling_deployment_does_not_bake_unless_told_to() -> None:
    assert strategies.waiting_minutes(deployment_configuration(None)) == 0
    assert strategies.waiting_minutes(deployment_configuration({"bakeTimeInMinutes": "5"})) == 5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"strategy": "GREEN_BLUE"}, "Unknown deployment strategy GREEN_BLUE"),
        ({"strategy": "ROLLING", "canaryConfiguration": {"canaryPercent": 5}}, "only valid when"),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0}}, "between 0.1 and 100"),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 1}}, "between 3.0 and 100"),
        ({"bakeTimeInMinutes": 1441}, "between 0 and 1440"),
        ({"lifecycleHooks": [{"hookTargetArn": "x"}]}, "lifecycle hooks"),
    ],
)
def test_a_configuration_that_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        deployment_configuration(given)


def test_a_strategy_of_capacity_providers() -> None:
    strategy = [
        {"capacityProvider": "FARGATE", "base": 2, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    running: list[str | None] = []
    for _ in range(10):
        running.append(capacity.choose(strategy, running))
    assert running[:2] == ["FARGATE"] * 2
    assert Counter(running[2:]) == {"FARGATE": 2, "FARGATE_SPOT": 6}
    assert not capacity.problem(strategy)
    assert "was not found" in capacity.problem([{"capacityProvider": "MINE", "weight": 1}])
    assert "can have a base" in capacity.problem([{**one, "base": 1} for one in strategy])
    assert "weight above 0" in capacity.problem([{"capacityProvider": "FARGATE", "base": 1}])


@pytest.mark.parametrize(
    ("kind", "value", "desired", "threshold"),
    [
        (None, None, 2, 3), (None, None, 1000, 200), ("COUNT", 1, 50, 1), ("BOUNDED_PERCENT", 25, 40, 10),
        ("BOUNDED_PERCENT", 25, 4, 3), ("UNBOUNDED_PERCENT", 25, 4, 1),
    ],
)  # fmt: skip
def test_the_threshold_of_the_circuit_breaker(
    kind: str | None, value: int | None, desired: int, threshold: int
) -> None:
    config = {"thresholdConfiguration": {"type": kind, "value": value}} if kind else {}
    service = {"desiredCount": desired, "deploymentConfiguration": {"deploymentCircuitBreaker": config}}
    assert breaker_threshold(service) == threshold


@pytest.mark.parametrize("given", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_that_is_none(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("LOCAL_SPEED", given)
    with pytest.raises(speed.SpeedError, match=r"LOCAL_SPEED is .*above 0"):
        speed.factor()


def test_minutes_pass_as_fast_as_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_SPEED", raising=False)
    assert speed.minutes(5) == 300
    monkeypatch.setenv("LOCAL_SPEED", "60")
    assert speed.minutes(5) == 5


def _unknown(shape: Shape, value: Any, at: str) -> list[str]:
    """Members that AWS's own model of the answer does not have."""
    if isinstance(shape, ListShape):
        return [found for one in value for found in _unknown(shape.member, one, at)]
    if not isinstance(shape, StructureShape):
        return [f"{at}: {value}"] if (words := getattr(shape, "enum", None)) and value not in words else []
    extra = [f"{at}.{name}" for name in value.keys() - shape.members.keys()]
    return extra + [
        found
        for name in value.keys() & shape.members.keys()
        for found in _unknown(shape.members[name], value[name], f"{at}.{name}")
    ]


def test_what_is_answered_is_what_the_api_has(cloud: LocalCloud) -> None:
    shifting = Shifting(cloud)
    shifting.create(
        cloud.task_definition(cloud.push()), strategy="BLUE_GREEN", bakeTimeInMinutes=0,
        deploymentCircuitBreaker=BREAKER, alarms={"alarmNames": ["a"], "enable": True, "rollback": True},
    )  # fmt: skip
    ecs, model = cloud.client("ecs"), botocore.session.get_session().get_service_model("ecs")
    listed = ecs.list_service_deployments(cluster="c", service="s", status=["SUCCESSFUL"])
    brief = listed["serviceDeployments"][0]
    described = ecs.describe_service_deployments(
        serviceDeploymentArns=[brief["serviceDeploymentArn"], "none"]
    )
    revisions = ecs.describe_service_revisions(serviceRevisionArns=[brief["targetServiceRevisionArn"]])
    services = ecs.describe_services(cluster="c", services=["s"])
    for name, answer in (
        ("ListServiceDeployments", listed),
        ("DescribeServiceDeployments", described),
        ("DescribeServiceRevisions", revisions),
        ("DescribeServices", services),
    ):
        answer.pop("ResponseMetadata")
        assert _unknown(model.operation_model(name).output_shape, answer, name) == []
    assert described["failures"] == [{"arn": "none", "reason": "MISSING"}]
    full = described["serviceDeployments"][0]
    assert full["deploymentCircuitBreaker"] == {
        "status": "MONITORING_COMPLETE",
        "failureCount": 0,
        "threshold": 1,
    }
    assert full["startedAt"] <= full["finishedAt"]
    revision = revisions["serviceRevisions"][0]
    assert revision["loadBalancers"] == shifting.balancers()
    service = services["services"][0]
    assert service["loadBalancers"] == shifting.balancers()
    assert service["currentServiceRevisions"][0]["arn"] == revision["serviceRevisionArn"]
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.list_service_deployments(cluster="c", service="none")


def test_load_balancers_that_are_refused(cloud: LocalCloud) -> None:
    shifting = Shifting(cloud)
    definition, (good,) = cloud.task_definition("x/y:1"), shifting.balancers()
    advanced = good["advancedConfiguration"]
    listener = advanced["productionListenerRule"].replace("listener-rule", "listener").rpartition("/")[0]
    cases = [
        ({**good, "advancedConfiguration": None}, "advancedConfiguration field is required"),
        ({"productionListenerRule": listener}, "invalid ARN format. Must be RuleArn"),
        ({"testListenerRule": shifting.rule}, "cannot be used as both production and test"),
        ({"alternateTargetGroupArn": shifting.blue}, "Duplicate targetGroupArn"),
        ({"alternateTargetGroupArn": f"{shifting.blue}0"}, "does not have an associated load balancer"),
    ]
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    for change, words in cases:
        one = {**good, "advancedConfiguration": {**advanced, **change}}
        if "advancedConfiguration" in change:
            one = {key: value for key, value in good.items() if key != "advancedConfiguration"}
        with pytest.raises(ecs.exceptions.InvalidParameterException, match=words):
            ecs.create_service(
                cluster="c", serviceName="s", taskDefinition=definition, desiredCount=1, launchType="FARGATE",
                loadBalancers=[one], deploymentConfiguration={"strategy": "BLUE_GREEN"},
                networkConfiguration=NETWORK,
            )  # fmt: skip
