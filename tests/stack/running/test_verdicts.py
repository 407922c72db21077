from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stack.files import environment
from stack.running import causes, verdict
from stack.running.collector import Collector
from stack.running.evidence import Evidence, StoppedTask
from tests.stack.services import stubbed


def event(logical_id: str, status: str, reason: str = "", kind: str = "AWS::ECS::Service") -> Any:
    return {
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_the_first_failure_that_is_no_consequence_is_the_cause():
    events = [
        event("Group", "CREATE_COMPLETE"),
        event("Role", "CREATE_FAILED", "Resource creation cancelled"),
        event("Service", "CREATE_FAILED", "circuit breaker was triggered"),
        event("Later", "CREATE_FAILED", "something else"),
        event("stack", "ROLLBACK_IN_PROGRESS", "failed", "AWS::CloudFormation::Stack"),
    ]
    found = causes.first(events)
    assert found is not None
    assert (found.logical_id, found.reason) == ("Service", "circuit breaker was triggered")


def test_no_failure_no_cause():
    assert causes.first([event("Group", "CREATE_COMPLETE")]) is None


def test_a_verdict_is_kept_and_read_back(project):
    loaded = environment.load(project.root, project.env)
    evidence = Evidence(
        stopped={
            "t1": StoppedTask(
                "t1", "echo:1", "exited", [{"name": "echo", "exit_code": 3, "reason": ""}], ["boom"]
            )
        },
        targets={"127.1.0.1:8080": "Health checks failed with these codes: [404]"},
    )
    made = verdict.make(
        loaded, "service", "create", "ROLLBACK_COMPLETE", [event("Running", "CREATE_FAILED", "no")], evidence
    )
    assert made["cause"] == (
        f"Running (What runs) of {project.stack('service')} failed: "
        "its container echo ended by itself with exit code 3: boom"
    )
    assert made["chain"][-2:] == [
        "Running became CREATE_FAILED: no",
        f"{project.stack('service')} became ROLLBACK_COMPLETE",
    ]
    verdict.keep(loaded, made)
    assert verdict.kept(loaded, "create") == made
    shown = project.do("last-create-failure")
    assert shown.exit_code == 0, shown.output
    for words in (made["cause"], "container echo, exit code 3", "| boom", "codes: [404]"):
        assert words in shown.stdout


def test_ecs_the_balancer_and_the_log_are_collected(cloud):
    now = datetime.now(UTC)
    arn = "arn:aws:ecs:us-east-1:1:"
    kinds = {
        "Cluster": ("AWS::ECS::Cluster", "c"),
        "Service": ("AWS::ECS::Service", f"{arn}service/c/s"),
        "Targets": ("AWS::ElasticLoadBalancingV2::TargetGroup", "arn:tg"),
        "Logs": ("AWS::Logs::LogGroup", "group"),
    }
    summaries = [
        {
            "LogicalResourceId": name,
            "ResourceType": kind,
            "PhysicalResourceId": physical,
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": now,
        }
        for name, (kind, physical) in kinds.items()
    ]
    cloudformation, ecs = stubbed(cloud, "cloudformation"), stubbed(cloud, "ecs")
    elbv2, logs = stubbed(cloud, "elbv2"), stubbed(cloud, "logs")
    # Two pages, so that both are read; once a look, however much is looked at.
    cloudformation.add_response(
        "list_stack_resources", {"StackResourceSummaries": summaries[:2], "NextToken": "more"}
    )
    cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": summaries[2:]})
    ecs.add_response(
        "describe_services",
        {"services": [{"events": [{"message": "(service s) is unable to start"}], "deployments": []}]},
    )
    ecs.add_response("list_tasks", {"taskArns": [f"{arn}task/c/abc"]})
    ecs.add_response(
        "describe_tasks",
        {
            "tasks": [
                {
                    "taskArn": f"{arn}task/c/abc",
                    "taskDefinitionArn": f"{arn}task-definition/echo:7",
                    "stoppedReason": "Essential container in task exited",
                    "containers": [{"name": "echo", "exitCode": 3}],
                }
            ]
        },
    )
    logs.add_response("describe_log_streams", {"logStreams": [{"logStreamName": "echo/echo/abc"}]})
    logs.add_response("get_log_events", {"events": [{"message": "settings: ECHO_PORT is not a number\n"}]})
    elbv2.add_response(
        "describe_target_health",
        {
            "TargetHealthDescriptions": [
                {
                    "Target": {"Id": "10.0.0.1", "Port": 8080},
                    "TargetHealth": {
                        "State": "unhealthy",
                        "Reason": "Target.Timeout",
                        "Description": "timed out",
                    },
                }
            ]
        },
    )
    collector = Collector(cloud, "stack-id")
    with cloudformation, ecs, elbv2, logs:
        collector.look()
    found = collector.evidence
    assert found.gaps == []
    assert found.stopped["abc"].reason == "Essential container in task exited"
    assert found.stopped["abc"].containers == [{"name": "echo", "exit_code": 3, "reason": ""}]
    assert found.stopped["abc"].log == ["settings: ECHO_PORT is not a number"]
    assert found.targets == {"10.0.0.1:8080": "timed out"}
    assert found.service_events == ["(service s) is unable to start"]


def test_a_look_that_fails_is_noted_and_ends_nothing(cloud):
    cloudformation = stubbed(cloud, "cloudformation")
    cloudformation.add_client_error("list_stack_resources", "AccessDenied", "no")
    collector = Collector(cloud, "stack-id")
    with cloudformation:
        collector.look()
    assert len(collector.evidence.gaps) == 1
    assert "AccessDenied" in collector.evidence.gaps[0]
