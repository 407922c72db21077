"""What only AWS shows: a certificate that waits for DNS, a service that has two target groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stack.aws.stacks import Stack
from stack.now import tasks
from stack.running import collector, progress
from stack.running.progress import Follower
from stack.terminal import Terminal
from tests.stack.services import stubbed
from tests.stack.small_project import Project

NOW = datetime(2026, 11, 1, tzinfo=UTC)
RECORD = "Content of DNS Record is: {Name: _a.example.test.,Type: CNAME,Value: _b.acm-validations.aws.}"


@pytest.fixture
def project(project) -> Project:
    project.edit(
        "service",
        "Resources:\n",
        "Resources:\n"
        "  Certificate:\n"
        "    Type: AWS::CertificateManager::Certificate\n"
        "    Metadata: {Description: Certificate of the domain}\n",
    )
    return project


def event(number: int, logical_id: str, kind: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": "id",
        "EventId": str(number),
        "StackName": "s",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": "id" if kind.endswith("::Stack") else "",
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": NOW,
    }


def test_a_wait_says_for_what(cloud, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_HEARTBEAT", -1.0)
    monkeypatch.setattr(progress.time, "sleep", lambda _: None)
    kinds = ("AWS::CertificateManager::Certificate", "AWS::Logs::LogGroup", "AWS::CloudFormation::Stack")
    looks = [
        [event(1, "Certificate", kinds[0], "CREATE_IN_PROGRESS")],
        [
            event(2, "Certificate", kinds[0], "CREATE_IN_PROGRESS", RECORD),
            event(3, "Group", kinds[1], "CREATE_IN_PROGRESS"),
        ],
        [event(4, "Certificate", kinds[0], "CREATE_COMPLETE")],
        [event(5, "s", kinds[2], "CREATE_COMPLETE")],
    ]
    cloudformation = stubbed(cloud, "cloudformation")
    cloudformation.add_response("describe_stack_events", {"StackEvents": []})
    cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": []})
    for number, fresh in enumerate(looks):
        cloudformation.add_response("describe_stack_events", {"StackEvents": fresh[::-1]})
        if number == len(looks) - 1:
            one = {"StackName": "s", "StackStatus": "CREATE_COMPLETE", "CreationTime": NOW}
            cloudformation.add_response("describe_stacks", {"Stacks": [one]})
        if number in (0, len(looks) - 1):
            cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": []})
    stack = Stack("s", "id", "CREATE_IN_PROGRESS", "", NOW, None, {}, {}, {})
    with cloudformation:
        follower = Follower(cloud, Terminal(), cloud.environment.templates["service"], stack)
        outcome = follower.follow("Creating", lambda: None)
    assert outcome.status == "CREATE_COMPLETE"
    said = capsys.readouterr().err
    assert "still waiting for Certificate (Certificate of the domain: the authority looks for" in said
    assert "which CloudFormation makes in the hosted zone; takes minutes)" in said
    assert f"Certificate: {RECORD}" in said
    assert "takes minutes), Group (Logs log group)" in said
    assert "still waiting for Group (Logs log group)\n" in said
    assert "+ Certificate: Certificate of the domain, created" in said


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [
        ({"runningCount": 1, "desiredCount": 2}, 2, "1 of 2 new tasks run, 2 old ones"),
        (
            {"runningCount": 2, "desiredCount": 2},
            1,
            "all 2 new tasks run, 1 old ones; health, alarms and bake",
        ),
        ({"runningCount": 0, "desiredCount": 0}, 0, "0 of 0 new tasks run"),
        ({"runningCount": 2, "desiredCount": 2, "rolloutState": "COMPLETED"}, 0, ""),
    ],
)
def test_a_deployment_says_how_far_it_is(new, old, said):
    newest = {"status": "PRIMARY", "rolloutState": "IN_PROGRESS", **new}
    found = collector._doing([newest, {"status": "ACTIVE", "runningCount": old, "desiredCount": 2}])
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_targets_of_both_groups_count(cloud):
    elbv2 = stubbed(cloud, "elbv2")
    for group, address, health in (
        (
            "blue",
            "10.0.0.1",
            {"State": "unhealthy", "Description": "Health checks failed with these codes: [404]"},
        ),
        ("green", "10.0.0.2", {"State": "healthy"}),
    ):
        elbv2.add_response(
            "describe_target_health",
            {"TargetHealthDescriptions": [{"Target": {"Id": address}, "TargetHealth": health}]},
            {"TargetGroupArn": group},
        )
    balancers = [
        {"targetGroupArn": "blue", "advancedConfiguration": {"alternateTargetGroupArn": "green"}},
        {"targetGroupArn": "blue"},
        {"loadBalancerName": "classic"},
    ]
    with elbv2:
        assert tasks._target_health(cloud, balancers) == {
            "10.0.0.1": ("unhealthy", "Health checks failed with these codes: [404]"),
            "10.0.0.2": ("healthy", ""),
        }
        elbv2.assert_no_pending_responses()


def test_a_deployment_is_told_with_all_that_decides_on_it(cloud):
    arn = "arn:aws:ecs:us-east-1:1:"
    kinds = {
        "Cluster": ("AWS::ECS::Cluster", "c"),
        "Service": ("AWS::ECS::Service", f"{arn}service/c/s"),
        "Targets": ("AWS::ElasticLoadBalancingV2::TargetGroup", "arn:tg"),
        "Errors": ("AWS::CloudWatch::Alarm", "errors"),
    }
    answers: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "cloudformation": [
            (
                "list_stack_resources",
                {
                    "StackResourceSummaries": [
                        {
                            "LogicalResourceId": name,
                            "ResourceType": kind,
                            "PhysicalResourceId": physical,
                            "ResourceStatus": "CREATE_COMPLETE",
                            "LastUpdatedTimestamp": NOW,
                        }
                        for name, (kind, physical) in kinds.items()
                    ]
                },
            )
        ],
        "ecs": [
            (
                "describe_services",
                {
                    "services": [
                        {
                            "deployments": [
                                {
                                    "status": "PRIMARY",
                                    "rolloutState": "IN_PROGRESS",
                                    "desiredCount": 3,
                                    "runningCount": 1,
                                    "pendingCount": 1,
                                    "failedTasks": 4,
                                },
                                {"status": "ACTIVE", "runningCount": 2},
                            ]
                        }
                    ]
                },
            ),
            ("list_tasks", {"taskArns": [f"{arn}task/c/old", f"{arn}task/c/new"]}),
            (
                "describe_tasks",
                {
                    "tasks": [
                        {
                            "taskArn": f"{arn}task/c/{name}",
                            "taskDefinitionArn": f"{arn}task-definition/echo:7",
                            "stoppedReason": f"{name} one exited",
                            "stoppedAt": NOW + timedelta(seconds=seconds),
                        }
                        for name, seconds in (("old", -1), ("new", 1))
                    ]
                },
            ),
        ],
        "elbv2": [
            (
                "describe_target_health",
                {
                    "TargetHealthDescriptions": [
                        {"Target": {"Id": f"10.0.0.{number}"}, "TargetHealth": {"State": state}}
                        for number, state in enumerate(["healthy", "initial", "healthy"])
                    ]
                },
            )
        ],
        "cloudwatch": [("describe_alarms", {"MetricAlarms": [{"AlarmName": "errors"}]})],
    }
    stubs = []
    for service, responses in answers.items():
        stub = stubbed(cloud, service)
        for operation, answer in responses:
            stub.add_response(operation, answer)
        stub.activate()
        stubs.append(stub)
    collected = collector.Collector(cloud, "id", since=NOW)
    collected.look()
    assert collected.evidence.gaps == []
    assert collected.doing == (
        "1 of 3 new tasks run, 1 start, 4 failed, 2 old ones; targets 2 healthy, 1 initial; "
        "in ALARM: errors; a task ended: new one exited"
    )
    assert list(collected.evidence.stopped) == ["new"]
    for stub in stubs:
        stub.assert_no_pending_responses()
