"""ELBv2: target groups, which cost nothing on any account."""

from __future__ import annotations

import pytest

from tests.localcloud.conformance.conftest import Account

Network = tuple[str, list[str]]


def test_a_target_group_has_the_documented_defaults(account: Account, group: str) -> None:
    elb = account.client("elbv2")
    (found,) = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
    assert (found["HealthCheckPath"], found["HealthCheckPort"]) == ("/", "traffic-port")
    assert (found["HealthCheckIntervalSeconds"], found["HealthCheckTimeoutSeconds"]) == (30, 5)
    assert (found["HealthyThresholdCount"], found["UnhealthyThresholdCount"]) == (5, 2)
    assert found["Matcher"] == {"HttpCode": "200"}


def test_the_attributes_of_a_group_have_their_defaults(account: Account, group: str) -> None:
    elb = account.client("elbv2")
    attributes = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    values = {each["Key"]: each["Value"] for each in attributes}
    assert values["deregistration_delay.timeout_seconds"] == "300"
    assert values["load_balancing.algorithm.type"] == "round_robin"


@pytest.mark.parametrize(
    "attribute",
    [
        {"Key": "deregistration_delay.timeout_seconds", "Value": "3601"},
        {"Key": "deregistration_delay.timeout_seconds", "Value": "soon"},
        {"Key": "stickiness.enabled", "Value": "perhaps"},
        {"Key": "deregistration.delay", "Value": "5"},
    ],
    ids=lambda attribute: str(attribute["Value"]),
)
def test_an_attribute_that_is_wrong_changes_nothing(
    account: Account, group: str, attribute: dict[str, str]
) -> None:
    elb = account.client("elbv2")
    before = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    fine = {"Key": "slow_start.duration_seconds", "Value": "30"}
    with pytest.raises(elb.exceptions.ClientError, match=r"ValidationError|InvalidConfigurationRequest"):
        elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[fine, attribute])
    assert elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"] == before


def test_an_attribute_that_is_set_is_told_with_the_others(account: Account, group: str) -> None:
    elb = account.client("elbv2")
    mine = {"Key": "deregistration_delay.timeout_seconds", "Value": "7"}
    elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[mine])
    attributes = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    assert mine in attributes
    assert {"Key": "slow_start.duration_seconds", "Value": "0"} in attributes


@pytest.mark.parametrize(
    "settings",
    [{"HealthCheckIntervalSeconds": 301}, {"HealthyThresholdCount": 11}, {"HealthCheckTimeoutSeconds": 30}],
    ids=str,
)
def test_health_checks_have_bounds(account: Account, group: str, settings: dict[str, int]) -> None:
    elb = account.client("elbv2")
    with pytest.raises(elb.exceptions.ClientError, match="ValidationError"):
        elb.modify_target_group(TargetGroupArn=group, **settings)
    (found,) = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
    assert (found["HealthCheckIntervalSeconds"], found["HealthyThresholdCount"]) == (30, 5)


def test_a_name_is_taken_by_other_settings(account: Account, group: str, name: str, network: Network) -> None:
    elb = account.client("elbv2")
    same = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=network[0], TargetType="ip"
    )["TargetGroups"][0]  # fmt: skip
    assert same["TargetGroupArn"] == group
    with pytest.raises(elb.exceptions.DuplicateTargetGroupNameException):
        elb.create_target_group(Name=name, Protocol="HTTP", Port=9090, VpcId=network[0], TargetType="ip")


def test_a_target_of_an_unused_group_is_unused(account: Account, group: str) -> None:
    elb = account.client("elbv2")
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.90.0.10", "Port": 8080}])
    (found,) = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert found["Target"]["Id"] == "10.90.0.10"
    assert (found["TargetHealth"]["State"], found["TargetHealth"]["Reason"]) == ("unused", "Target.NotInUse")


def test_what_is_not_there_is_named_by_its_kind(account: Account, group: str, name: str) -> None:
    elb = account.client("elbv2")
    with pytest.raises(elb.exceptions.LoadBalancerNotFoundException):
        elb.describe_load_balancers(Names=[f"{name}-0"])
    with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
        elb.describe_target_groups(Names=[name, f"{name}-0"])
    with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
        elb.describe_target_health(TargetGroupArn=group.replace(name, f"{name}-0"))
