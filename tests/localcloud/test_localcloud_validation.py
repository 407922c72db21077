"""Properties that do not fit AWS's resource schemas fail their resource, in CloudFormation's words."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud import schemas
from localcloud.stacks import validation
from tests.localcloud.conftest import Cloud

LISTENER = {"LoadBalancerArn": "arn", "DefaultActions": [{"Type": "forward", "TargetGroupArn": "arn"}]}


def problems(kind: str, properties: dict[str, Any]) -> list[str]:
    resource_type = f"AWS::{kind}"
    return validation.problems(resource_type, schemas.coerced(resource_type, properties))


@pytest.mark.parametrize(
    ("kind", "properties", "message"),
    [
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "Port": 70000},
         "#/Port: 70000 is not less or equal to 65535"),
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "Port": "0"},
         "#/Port: 0 is not greater or equal to 1"),
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "Foo": 1},
         "#: extraneous key [Foo] is not permitted"),
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "DefaultActions": [{}]},
         "#/DefaultActions/0: required key [Type] not found"),
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "Protocol": "SMTP"},
         "#/Protocol: failed validation constraint for keyword [enum]"),
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "Certificates": "arn"},
         "#/Certificates: expected type: JSONArray, found: String"),
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "ListenerArn": "mine"},
         "#: extraneous key [ListenerArn] is not permitted"),
        ("ECS::Service", {"DesiredCount": "many"}, "#/DesiredCount: expected type: Integer, found: String"),
        ("ECS::Service", {"EnableExecuteCommand": "maybe"},
         "#/EnableExecuteCommand: expected type: Boolean, found: String"),
        ("EC2::SecurityGroup", {"GroupDescription": "what's this"},
         "#/GroupDescription: failed validation constraint for keyword [pattern]"),
        ("Logs::LogGroup", {"RetentionInDays": 8},
         "#/RetentionInDays: failed validation constraint for keyword [enum]"),
        ("Logs::LogGroup", {"LogGroupName": "n" * 513},
         "#/LogGroupName: expected maxLength: 512, actual: 513"),
        ("Logs::LogGroup", {"LogGroupName": ""}, "#/LogGroupName: expected minLength: 1, actual: 0"),
        ("ElasticLoadBalancingV2::LoadBalancer", {"Subnets": ["subnet-1", "subnet-1"]},
         "#/Subnets: array items are not unique"),
    ],
)  # fmt: skip
def test_what_the_schemas_refuse_is_told_in_cloudformations_words(
    kind: str, properties: dict[str, Any], message: str
) -> None:
    assert message in problems(kind, properties)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("ElasticLoadBalancingV2::Listener", {**LISTENER, "Port": "8080"}),
        ("ECS::Service", {"DesiredCount": "2", "EnableExecuteCommand": "true", "ServiceName": 7}),
        ("ECS::Service", {"DesiredCount": {"Fn::GetAtt": ["X", "Y"]}, "NetworkConfiguration": {"Ref": "Z"}}),
        ("Logs::LogGroup", {"RetentionInDays": "{{resolve:ssm:days}}"}),
        ("No::Such::Type", {"Anything": 1}),
    ],
    ids=["number", "text of every type", "functions", "dynamic reference", "no schema"],
)
def test_what_fits_or_is_not_known_yet_passes(kind: str, properties: dict[str, Any]) -> None:
    assert problems(kind, properties) == []


@pytest.mark.parametrize("resource_type", ["AWS::CleanRooms::Collaboration", "AWS::ARCRegionSwitch::Plan"])
def test_a_schema_with_patterns_of_java_still_counts_without_them(resource_type: str) -> None:
    assert "#: extraneous key [Foo] is not permitted" in validation.problems(resource_type, {"Foo": 1})


def group(**properties: Any) -> dict[str, Any]:
    return {"Resources": {"Kept": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}}


def test_a_create_with_such_a_property_rolls_back(shared_cloud: Cloud) -> None:
    template = {**group(RetentionInDays={"Ref": "Days"}), "Parameters": {"Days": {"Type": "Number"}}}
    made = shared_cloud.deploy("invalid-create", template, parameters={"Days": "8"})
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert shared_cloud.failures("invalid-create")[0] == (
        "Kept", "CREATE_FAILED",
        "Properties validation failed for resource Kept with message: "
        "#/RetentionInDays: failed validation constraint for keyword [enum]",
    )  # fmt: skip


def test_an_update_with_such_a_property_leaves_what_was(shared_cloud: Cloud) -> None:
    shared_cloud.deploy("invalid-update", group(LogGroupName="invalid-update", RetentionInDays=7))
    changed = shared_cloud.deploy(
        "invalid-update", group(LogGroupName="invalid-update", RetentionInDays=14, Retention=1), "UPDATE"
    )
    assert changed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "#: extraneous key [Retention] is not permitted" in shared_cloud.failures("invalid-update")[0][2]
    logs = shared_cloud.client("logs")
    kept = logs.describe_log_groups(logGroupNamePrefix="invalid-update")["logGroups"]
    assert [found["retentionInDays"] for found in kept] == [7]
