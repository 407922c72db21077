"""What no local endpoint answers: throttling, expired credentials, pages of changes, AWS's own values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from stack import changesets, environment, gate, review, values
from stack.clients import Cloud
from stack.errors import REFUSED, ToolError, explain
from stack.stacks import Stack

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def cloud(project, monkeypatch) -> Cloud:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return Cloud(environment.load(project.root, project.env))


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        ("Throttling", "throttles DescribeStacks, even after retries", "Wait a minute"),
        ("ExpiredToken", "AWS refuses the credentials", "log in again"),
        ("AccessDenied", "may not call DescribeStacks", "Use a role"),
        ("ValidationError", "DescribeStacks failed at here: words (ValidationError)", ""),
    ],
)
def test_an_error_of_the_api_becomes_one_sentence(code, said, hint):
    error = ClientError({"Error": {"Code": code, "Message": "words"}}, "DescribeStacks")
    found = explain(error, "here")
    assert said in found.message
    assert hint in found.hint


def test_errors_of_the_way_there_become_one_sentence():
    assert "Nothing answers at here" in explain(EndpointConnectionError(endpoint_url="x"), "here").message
    assert "No usable AWS credentials" in explain(NoCredentialsError(), "here").message


def test_a_throttled_call_is_tried_again_by_every_client(cloud):
    config = cloud.cloudformation.meta.config
    assert config.retries["mode"] == "standard"  # type: ignore[attr-defined]
    assert config.retries["total_max_attempts"] == 8  # type: ignore[attr-defined]


def _answer(**more: Any) -> dict[str, Any]:
    return {
        "ChangeSetName": "x",
        "ChangeSetId": "arn:aws:cloudformation:us-east-1:1:changeSet/x/1",
        "Status": "CREATE_COMPLETE",
        "ExecutionStatus": "AVAILABLE",
        "CreationTime": NOW,
        **more,
    }


def _change(**more: Any) -> dict[str, Any]:
    return {"Type": "Resource", "ResourceChange": {"Action": "Modify", "LogicalResourceId": "A", **more}}


def _described(cloud: Cloud, *answers: dict[str, Any]) -> changesets.ChangeSet:
    client = boto3.client("cloudformation", region_name="us-east-1")
    cloud._clients["cloudformation"] = client
    with Stubber(client) as stub:
        for answer in answers:
            stub.add_response("describe_change_set", answer)
        found = changesets.describe(cloud, "x", "data")
        stub.assert_no_pending_responses()
    assert found is not None
    return found


NOTHING = values.side("Resources: {}", {})


def test_all_pages_of_a_change_set_are_read(cloud):
    found = _described(
        cloud,
        _answer(Changes=[_change(LogicalResourceId="A")], NextToken="2"),
        _answer(Changes=[_change(LogicalResourceId="B")], NextToken="3"),
        _answer(Changes=[_change(LogicalResourceId="C")]),
    )
    assert [row.logical_id for row in review.rows(found, NOTHING, NOTHING)] == ["A", "B", "C"]


def test_aws_own_values_are_shown(cloud):
    target = {
        "Attribute": "Properties",
        "Name": "Cpu",
        "Path": "/Properties/Cpu",
        "BeforeValue": "256",
        "AfterValue": "512",
        "RequiresRecreation": "Always",
    }
    detail = {"Target": target, "ChangeSource": "ParameterReference", "CausingEntity": "Cpu"}
    found = _described(
        cloud,
        _answer(
            Changes=[
                _change(
                    ResourceType="AWS::ECS::TaskDefinition",
                    Replacement="True",
                    PolicyAction="ReplaceAndDelete",
                    Details=[detail],
                )
            ]
        ),
    )
    (row,) = review.rows(found, NOTHING, NOTHING)
    assert (row.property, row.before, row.after) == ("Cpu", "256", "512")
    assert (row.replacement, row.cause, row.policy_action) == ("yes", "parameter Cpu", "ReplaceAndDelete")


def _stack(status: str = "UPDATE_COMPLETE", updated: datetime | None = None) -> Stack:
    return Stack("s", "id", status, "", NOW, updated, {}, {}, {})


@pytest.mark.parametrize(
    ("answer", "stack", "said"),
    [
        ({}, _stack(updated=NOW + timedelta(seconds=1)), "is stale"),
        ({"ExecutionStatus": "OBSOLETE"}, _stack(), "is stale"),
        ({"ExecutionStatus": "EXECUTE_COMPLETE"}, _stack(), "was executed already"),
        (
            {"ExecutionStatus": "UNAVAILABLE", "Status": "FAILED", "StatusReason": "no"},
            _stack(),
            "FAILED/UNAVAILABLE: no",
        ),
        ({}, _stack("UPDATE_IN_PROGRESS"), "is UPDATE_IN_PROGRESS"),
        ({}, _stack("UPDATE_ROLLBACK_FAILED"), "is UPDATE_ROLLBACK_FAILED"),
    ],
)
def test_what_cannot_be_executed_any_more_is_refused(cloud, answer, stack, said):
    found = _described(cloud, _answer(**answer))
    with pytest.raises(ToolError) as caught:
        gate.check_fresh(found, stack, "make change")
    assert said in caught.value.message
    assert caught.value.code == REFUSED


def test_a_fresh_change_set_passes(cloud):
    gate.check_fresh(_described(cloud, _answer()), _stack(updated=NOW - timedelta(days=1)), "again")
