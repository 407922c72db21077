"""What no local endpoint answers: throttling, expired credentials, pages of changes, AWS's own values."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.stub import Stubber

from stack.aws import changesets, patience
from stack.aws.clients import Cloud
from stack.aws.stacks import Resource, Stack
from stack.errors import REFUSED, ToolError, explain
from stack.files import environment, values
from stack.now import drift, tasks
from stack.review import gate
from stack.review import rows as review
from tests.stack.services import resources, stubbed

NOW = datetime(2026, 11, 1, tzinfo=UTC)


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
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == 8


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


def test_a_look_is_repeated_while_aws_throttles(cloud, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    with stubbed(cloud, "cloudformation") as cloudformation:
        cloudformation.add_response("create_change_set", {"Id": "arn:aws:cloudformation:us-east-1:1:x/1"})
        for code in ("Throttling", "RequestLimitExceeded", "ThrottlingException"):
            cloudformation.add_client_error("describe_change_set", code)
        cloudformation.add_response("describe_change_set", _answer(Changes=[]))
        found = changesets.make(cloud, "registry", "x", "UPDATE", {})
        cloudformation.assert_no_pending_responses()
    assert found.execution_status == "AVAILABLE"
    assert len(pauses) == 3
    assert 1 <= pauses[0] <= 2 <= pauses[1] <= 4 <= pauses[2] <= 8


def test_a_look_that_fails_for_another_reason_or_for_ever_is_not(monkeypatch):
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)
    calls: list[str] = []

    def fail(code: str) -> None:
        calls.append(code)
        raise ClientError({"Error": {"Code": code, "Message": "m"}}, "X")

    with pytest.raises(ClientError):
        patience.patiently(lambda: fail("AccessDenied"))
    assert calls == ["AccessDenied"]
    monkeypatch.setattr(patience, "_LONGEST", -1.0)
    with pytest.raises(ClientError):
        patience.patiently(lambda: fail("Throttling"))
    assert calls == ["AccessDenied", "Throttling"]


def test_drift_is_read_in_pages(cloud, monkeypatch):
    monkeypatch.setattr(drift.time, "sleep", lambda _: None)
    status = {
        "StackId": "s",
        "StackDriftDetectionId": "d",
        "DetectionStatus": "DETECTION_IN_PROGRESS",
        "Timestamp": NOW,
    }

    def page(name: str, **more: Any) -> dict[str, Any]:
        one = {
            "StackId": "s",
            "LogicalResourceId": name,
            "ResourceType": "AWS::SNS::Topic",
            "StackResourceDriftStatus": "IN_SYNC",
            "Timestamp": NOW,
        }
        return {"StackResourceDrifts": [one], **more}

    with stubbed(cloud, "cloudformation") as cloudformation:
        cloudformation.add_response("describe_stack_drift_detection_status", status)
        done = {**status, "DetectionStatus": "DETECTION_COMPLETE"}
        cloudformation.add_response("describe_stack_drift_detection_status", done)
        cloudformation.add_response("describe_stack_resource_drifts", page("A", NextToken="2"))
        cloudformation.add_response("describe_stack_resource_drifts", page("B"))
        cloudformation.add_response("list_stack_resources", resources())
        found = drift._of_stack(cloud, _stack(), "d")
        cloudformation.assert_no_pending_responses()
    assert (found.compared, found.resources, found.gaps) == (2, 2, ())


def test_services_are_described_ten_at_a_time(cloud):
    known = [Resource("C", "AWS::ECS::Cluster", "c")]
    known += [Resource(f"S{number}", "AWS::ECS::Service", f"s{number}") for number in range(12)]
    with stubbed(cloud, "ecs") as ecs:
        for count in (10, 2):
            ecs.add_response("describe_services", {"services": [{"status": "INACTIVE"}] * count})
        assert tasks.of_resources(cloud, known) == []
        ecs.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_partitions_profiles_and_regions(project, monkeypatch, tmp_path, region, partition):
    config = tmp_path / "config"
    config.write_text(
        "[profile ops]\nregion = eu-west-1\naws_access_key_id = OPS\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "ops")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    text = project.file.read_text().replace('"us-east-1"', f'"{region}"')
    start, end = text.index("[endpoint]"), text.index("[token]")
    project.file.write_text(text[:start] + text[end:])
    cloud = Cloud(environment.load(project.root, project.env))
    assert cloud.partition == partition
    assert cloud.cloudformation.meta.region_name == region
    assert region in cloud.cloudformation.meta.endpoint_url
    credentials = cloud.session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "OPS"
    given = cloud.process_environment()
    assert (given["AWS_REGION"], given["AWS_DEFAULT_REGION"], given["AWS_PROFILE"]) == (region, region, "ops")


def test_no_partition_is_written_down():
    root = Path(__file__).parents[3]
    for file in sorted((root / "cloudformation").glob("*.yaml")):
        assert "arn:aws:" not in file.read_text(), file
    for file in sorted((root / "stack").rglob("*.py")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            # Account 123456789012 is AWS's own for examples: these are shown, never used.
            assert "arn:aws:" not in line or ":123456789012:" in line, f"{file}:{number}"


READS = re.compile(r"(Describe|Get|List|BatchGet|Filter|Simulate|DetectStackDrift)")
READ_ONLY = [
    "cost", "dashboard", "doctor", "drift", "events", "last-create-failure", "last-update-failure", "logs",
    "outputs", "releases", "status", "tasks", "tokens", "watch",
]  # fmt: skip


def test_commands_that_show_call_nothing_that_writes(created, monkeypatch):
    calls: list[str] = []
    real = Cloud.client

    def recording(self: Cloud, service: str, **config: Any) -> Any:
        client = real(self, service, **config)
        client.meta.events.register("provide-client-params.*.*", lambda model, **_: calls.append(model.name))
        return client

    monkeypatch.setattr(Cloud, "client", recording)
    for name in READ_ONLY:
        before = len(calls)
        done = created.do(name)
        assert "Traceback" not in done.output
        if name not in ("cost", "dashboard", "tokens"):
            assert len(calls) > before, f"{name} asks nothing"
    assert {"DescribeStacks", "DescribeImages", "DetectStackDrift"} <= set(calls)
    assert [call for call in calls if not READS.match(call)] == []
