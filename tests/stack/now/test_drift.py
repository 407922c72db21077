"""Drift, of a real endpoint where it can compare, and with the answers that only AWS gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import FAILED, OK, ToolError
from stack.now import drift
from stack.terminal import Terminal
from tests.stack import services
from tests.stack.services import NOW

RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
WEIGHT = "/Actions/0/ForwardConfig/TargetGroups/0/Weight"


def physical(project, stack: str, logical_id: str) -> str:
    client = project.client("cloudformation")
    found = client.describe_stack_resource(StackName=project.stack(stack), LogicalResourceId=logical_id)
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def test_nothing_changed_is_no_drift(created):
    done = created.do("drift")
    assert done.exit_code == OK, done.output
    assert "No drift." in done.stdout
    assert f"{created.stack('data')}: 3 of 3 resources compared" in done.stdout


def test_what_somebody_changed_is_shown_and_a_secret_is_not(created):
    created.client("sns").set_topic_attributes(
        TopicArn=physical(created, "data", "Topic"), AttributeName="DisplayName", AttributeValue="by hand"
    )
    ssm = created.client("ssm")
    setting = physical(created, "data", "Setting")
    ssm.put_parameter(Name=setting, Value="secret-two", Type="String", Overwrite=True)
    ssm.delete_parameter(Name=physical(created, "service", "Running"))
    done = created.do("drift")
    assert done.exit_code == FAILED
    rows = {
        name: line
        for line in done.stdout.splitlines()
        for name in ("Topic", "Setting", "Running")
        if name in line
    }
    assert "/DisplayName" in rows["Topic"]
    assert "mode one" in rows["Topic"]
    assert "by hand" in rows["Topic"]
    assert "****" in rows["Setting"]
    assert "deleted" in rows["Running"]
    assert "secret-" not in done.output
    assert "3 differences from the templates." in done.stdout
    found = json.loads(created.do("drift", "--json").stdout)
    assert found["drifted"] is True
    assert {one["logical_id"] for each in found["stacks"] for one in each["differences"]} == set(rows)


def test_without_stacks_there_is_nothing_to_compare(project):
    done = project.do("drift")
    assert done.exit_code == FAILED
    assert "has no stacks" in done.stderr


@pytest.fixture
def cloud(cloud, monkeypatch) -> Cloud:
    monkeypatch.setattr(stacks, "describe_all", lambda _: {"service": services.STACK, "gone": None})
    monkeypatch.setattr(drift.time, "sleep", lambda _: None)
    return cloud


def described(name: str, kind: str, *paths: str, expected: dict[str, Any]) -> dict[str, Any]:
    return {
        "StackId": "service-id",
        "LogicalResourceId": name,
        "ResourceType": kind,
        "ExpectedProperties": json.dumps(expected),
        "PropertyDifferences": [
            {"PropertyPath": path, "ExpectedValue": "100", "ActualValue": "0", "DifferenceType": "NOT_EQUAL"}
            for path in paths
        ],
        "StackResourceDriftStatus": "MODIFIED",
        "Timestamp": NOW,
    }


def prepare(cloud: Cloud, *drifts: dict[str, Any], status: str = "DETECTION_COMPLETE", reason: str = ""):
    stub = services.stubbed(cloud, "cloudformation")
    common = {"StackId": "service-id", "StackDriftDetectionId": "d", "Timestamp": NOW}
    stub.add_response("detect_stack_drift", {"StackDriftDetectionId": "d"}, {"StackName": "service-id"})
    for one in ("DETECTION_IN_PROGRESS", status):
        stub.add_response(
            "describe_stack_drift_detection_status",
            {**common, "DetectionStatus": one, "DetectionStatusReason": reason},
        )
    same = {**described("Same", "AWS::SNS::Topic", expected={}), "StackResourceDriftStatus": "IN_SYNC"}
    unknown = {**described("New", "AWS::New::Type", expected={}), "StackResourceDriftStatus": "NOT_CHECKED"}
    stub.add_response(
        "describe_stack_resource_drifts",
        {"StackResourceDrifts": [same, unknown], "NextToken": "more"},
        {"StackName": "service-id"},
    )
    stub.add_response(
        "describe_stack_resource_drifts",
        {"StackResourceDrifts": list(drifts)},
        {"StackName": "service-id", "NextToken": "more"},
    )
    if drifts:
        stub.add_response("get_template", {"TemplateBody": "Resources: {}"})
    stub.add_response("list_stack_resources", services.resources(("Same", "T", "t"), ("New", "T", "n")))
    return stub


def test_weights_that_a_deployment_moved_and_quiet_hours_are_by_design(cloud, capsys):
    target = "AWS::ApplicationAutoScaling::ScalableTarget"
    stub = prepare(
        cloud,
        described("ProductionRule", RULE, WEIGHT, expected={"Actions": []}),
        described("Scaling", target, "/MinCapacity", expected={"ScheduledActions": []}),
    )
    with stub:
        assert drift.run(cloud, Terminal(), as_json=False) == OK
        stub.assert_no_pending_responses()
    said = capsys.readouterr().out
    assert "a deployment moves the traffic" in said
    assert "quiet hours set it" in said
    assert "service: 3 of 4 resources compared" in said
    assert "No drift but that by design." in said


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        (RULE, "/Priority", {"Actions": []}),
        (RULE, "/Actions/0/ForwardConfig/TargetGroups/0/TargetGroupArn", {"Actions": []}),
        ("AWS::ApplicationAutoScaling::ScalableTarget", "/MinCapacity", {}),
        ("AWS::SNS::Topic", WEIGHT, {"Actions": []}),
    ],
)
def test_everything_else_is_drift(cloud, kind, path, expected, capsys):
    with prepare(cloud, described("R", kind, path, expected=expected)):
        assert drift.run(cloud, Terminal(), as_json=False) == FAILED
    said = capsys.readouterr().out
    assert "by design" not in said
    assert "1 difference from the templates." in said


def test_what_could_not_be_compared_is_a_failure(cloud, capsys):
    with prepare(cloud, status="DETECTION_FAILED", reason="Failed to detect drift on [Table]"):
        assert drift.run(cloud, Terminal(), as_json=False) == FAILED
    assert "not everything could be compared: Failed to detect drift on [Table]" in capsys.readouterr().out


def test_an_endpoint_without_drift_detection_says_so_in_a_line(cloud):
    stub = services.stubbed(cloud, "cloudformation")
    stub.add_client_error("detect_stack_drift", "InvalidAction", "no")
    with stub, pytest.raises(ToolError, match=r"^http\S+ has no drift detection\.$") as raised:
        drift.run(cloud, Terminal(), as_json=False)
    assert raised.value.code == FAILED
