"""Attaching to what runs already: a wait condition keeps a stack busy for as long as a test needs."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from stack.aws.stacks import Stack
from stack.errors import INTERRUPTED, REFUSED, ToolError
from stack.running import collector as collecting
from stack.running import progress, verdict, watch
from stack.running.durations import WHOLE, Durations, in_words
from stack.running.progress import Follower
from stack.terminal import Terminal

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
KIND = "AWS::CloudFormation::Stack"
# An update with it fails when its seconds are over, or when it is told to.
WAITING = """Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    Metadata: {Description: A signal}
    Properties: {Handle: !Ref Handle, Timeout: "SECONDS"}
  Zlast: {Type: AWS::SNS::Topic, DependsOn: Wait}
"""


def begin_update(project: Any, seconds: int) -> None:
    project.edit("data", "Resources:\n", WAITING.replace("SECONDS", str(seconds)))
    project.client("cloudformation").update_stack(
        StackName=project.stack("data"), TemplateBody=project.template("data").read_text()
    )


def fail_update(project: Any) -> None:
    cloudformation = project.client("cloudformation")
    deadline = time.monotonic() + 60
    while True:
        try:
            cloudformation.signal_resource(
                StackName=project.stack("data"), LogicalResourceId="Wait", UniqueId="1", Status="FAILURE"
            )
        except ClientError:  # the update has not come to it yet
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def test_nothing_runs(created):
    done = created.do("watch")
    assert done.exit_code == 0, done.output
    assert f"Nothing runs on {created.env}" in done.stderr
    assert json.loads(created.do("watch", "--json").stdout)["operations"] == []
    refused = created.do("cancel")
    assert refused.exit_code == REFUSED
    assert "nothing to cancel" in refused.stderr


def test_watch_follows_an_update_that_somebody_else_began_to_its_verdict(created, monkeypatch):
    begin_update(created, 600)
    follow = Follower.follow

    def failing(self: Follower, verb: str, start: Any) -> Any:
        """The update fails once it is followed, however long it took to begin with that."""
        del start
        return follow(self, verb, lambda: fail_update(created))

    monkeypatch.setattr(Follower, "follow", failing)
    before = sorted((created.root / ".state" / created.env).glob("*"))
    done = created.do("watch")
    assert done.exit_code == 1, done.output
    assert f"Updating {created.stack('data')}" in done.stderr
    assert "! Wait: A signal, " in done.stderr
    assert f"Update failed, {created.stack('data')} is UPDATE_ROLLBACK_COMPLETE" in done.stdout
    assert "Wait (A signal) of" in done.stdout
    assert sorted((created.root / ".state" / created.env).glob("*")) == before, "it only looks"


def test_cancel_ends_an_update_and_the_stack_is_as_before(created):
    begin_update(created, 20)
    done = created.do("cancel")
    assert done.exit_code == 0, done.output
    assert "Cancelling the update of" in done.stderr
    assert "UPDATE_ROLLBACK_COMPLETE: as it was before the update" in done.stdout
    assert created.statuses()["data"] == "UPDATE_ROLLBACK_COMPLETE"
    left = created.client("cloudformation").list_stack_resources(StackName=created.stack("data"))
    assert "Zlast" not in [one["LogicalResourceId"] for one in left["StackResourceSummaries"]]


def stack(status: str) -> Stack:
    return Stack("s", "id", status, "", START, None, {}, {}, {})


@pytest.mark.parametrize(
    ("status", "why", "instead"),
    [
        ("CREATE_IN_PROGRESS", "a creation cannot be cancelled", "delete-stack --stack-name s"),
        ("DELETE_IN_PROGRESS", "a deletion cannot be cancelled", "make create"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "the update is done", "make change"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "it goes back already", "make watch"),
    ],
)
def test_what_cannot_be_cancelled_says_what_can_be_done(cloud, monkeypatch, status, why, instead):
    monkeypatch.setattr(watch.endpoint, "require", lambda _: None)
    monkeypatch.setattr(watch.stacks, "describe_all", lambda _: {"data": stack(status)})
    with pytest.raises(ToolError) as caught:
        watch.cancel(cloud, Terminal())
    assert caught.value.code == REFUSED
    assert f"s is {status}: {why}" in caught.value.message
    assert instead in caught.value.hint


@pytest.mark.parametrize(
    ("status", "verb"),
    [
        ("CREATE_IN_PROGRESS", "Creating"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Updating"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "Rolling back the update of"),
        ("ROLLBACK_IN_PROGRESS", "Rolling back the creation of"),
        ("DELETE_IN_PROGRESS", "Deleting"),
    ],
)
def test_what_runs_is_named(status, verb):
    assert watch._verb(status) == verb


def event(number: int, logical_id: str, status: str, at: float = 0) -> dict[str, Any]:
    own = logical_id == "s"
    return {
        "StackId": "id",
        "EventId": str(number),
        "StackName": "s",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": "id" if own else "",
        "ResourceType": KIND if own else "AWS::SNS::Topic",
        "ResourceStatus": status,
        "Timestamp": START + timedelta(seconds=at),
    }


OLD = [
    event(1, "s", "CREATE_IN_PROGRESS"),
    event(2, "A", "CREATE_COMPLETE"),
    event(3, "s", "CREATE_COMPLETE"),
]
NOW = [
    event(4, "s", "UPDATE_IN_PROGRESS", 10),
    event(5, "A", "UPDATE_IN_PROGRESS", 11),
    event(6, "A", "UPDATE_COMPLETE", 41),
    event(7, "s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", 42),
]
END = event(8, "s", "UPDATE_COMPLETE", 43)


@pytest.mark.parametrize(
    ("events", "own"),
    [(OLD + NOW, NOW), ([*OLD, *NOW, END], [*NOW, END]), (OLD, OLD), ([], [])],
)
def test_the_operation_that_runs_begins_after_the_last_rest(events, own):
    assert verdict.of_last_operation(events, "id") == own


def test_ctrl_c_leaves_it_running_and_says_so(cloud, monkeypatch):
    client = boto3.client("cloudformation", region_name="us-east-1")
    cloud._clients["cloudformation"] = client
    stub = Stubber(client)
    stub.add_response("describe_stack_events", {"StackEvents": NOW[1::-1]})
    with stub:
        follower = Follower(
            cloud, Terminal(), cloud.environment.templates["data"], stack("UPDATE_IN_PROGRESS"), running=True
        )

        def interrupt() -> None:
            raise KeyboardInterrupt

        with pytest.raises(ToolError) as caught:
            follower.follow("Updating", interrupt)
    assert caught.value.code == INTERRUPTED
    assert "Updating s goes on at" in caught.value.message
    assert f"make watch ENV={cloud.environment.name}" in caught.value.hint


def test_the_last_time_tells_how_long_is_left(cloud):
    loaded = cloud.environment
    update = Durations(loaded, "data", "update")
    assert update.left({WHOLE: 0.0, "A": 0.0}, 5.0) is None, "nothing is known yet"
    update.keep([*NOW, END], "id")
    update = Durations(loaded, "data", "update")
    assert update.left({WHOLE: 0.0, "A": 100.0, "B": 0.0}, 110.0) == 20
    assert update.left({WHOLE: 0.0}, 1.0) is None, "an update as a whole is another each time"
    assert Durations(loaded, "service", "update").left({"A": 0.0}, 1.0) is None
    create = Durations(loaded, "data", "create")
    create.keep([event(1, "s", "CREATE_IN_PROGRESS"), event(2, "s", "CREATE_COMPLETE", 60)], "id")
    assert Durations(loaded, "data", "create").left({WHOLE: 10.0, "A": 0.0}, 30.0) == 40
    assert Durations(loaded, "data", "update").left({"A": 0.0}, 0.0) == 30, "each operation has its own"
    (loaded.state / "durations.json").write_text("{")
    assert Durations(loaded, "data", "create").left({WHOLE: 0.0}, 0.0) is None


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (None, ""),
        (40.4, "about 40 s left"),
        (299.0, "about 5 min left"),
        (0.2, "nearly done"),
        (-12.0, "takes 12 s longer than the last time"),
    ],
)
def test_an_estimate_in_words(left, words):
    assert in_words(left) == words


def test_progress_says_what_is_left(created, monkeypatch):
    monkeypatch.setattr(progress, "_HEARTBEAT", -1.0)
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    kept = created.root / ".state" / created.env / "durations.json"
    found = json.loads(kept.read_text())
    assert found["data"]["create"].keys() >= {WHOLE, "Topic"}
    found["data"]["update"] = {"Topic": 1000.0, "Setting": 1000.0, "Table": 1000.0}
    kept.write_text(json.dumps(found))
    created.edit("data", "Resources:\n", WAITING.replace("SECONDS", "2").replace("Wait:", "Topic2:"))
    created.template("data").write_text(created.template("data").read_text().replace("DependsOn: Wait", ""))
    found["data"]["update"]["Topic2"] = 1000.0
    kept.write_text(json.dumps(found))
    begun = created.do("change", "--name", "slow", "--runtime", "process")
    assert begun.exit_code == 0, begun.output
    done = created.do("approve", "--name", "slow")
    assert "still waiting for " in done.stderr
    assert "about 17 min left" in done.stderr


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
                            "LastUpdatedTimestamp": START,
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
                            "stoppedAt": START + timedelta(seconds=seconds),
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
        client = boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]
        cloud._clients[service] = client
        stub = Stubber(client)
        for operation, answer in responses:
            stub.add_response(operation, answer)
        stub.activate()
        stubs.append(stub)
    collector = collecting.Collector(cloud, "id", since=START)
    collector.look()
    assert collector.evidence.gaps == []
    assert collector.doing == (
        "1 of 3 new tasks run, 1 start, 4 failed, 2 old ones; targets 2 healthy, 1 initial; "
        "in ALARM: errors; a task ended: new one exited"
    )
    assert list(collector.evidence.stopped) == ["new"]
    for stub in stubs:
        stub.assert_no_pending_responses()
