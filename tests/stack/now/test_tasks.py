"""The tasks as they run, and why others ended; with the answers that only ECS gives."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.files import environment
from stack.now import tasks, trouble
from stack.terminal import Terminal
from tests.stack import services
from tests.stack.services import ARN, IMAGE, NOW


@pytest.fixture
def cloud(cloud, monkeypatch) -> Cloud:
    monkeypatch.setattr(stacks, "look_all", lambda *_: {"service": services.STACK})
    return cloud


def prepare(cloud: Cloud):
    address = [{"details": [{"name": "privateIPv4Address", "value": "10.0.0.1"}]}]
    ecs, elbv2 = services.stubbed(cloud, "ecs"), services.stubbed(cloud, "elbv2")
    elbv2.add_response(
        "describe_target_health",
        {"TargetHealthDescriptions": [{"Target": {"Id": "10.0.0.1"}, "TargetHealth": {"State": "healthy"}}]},
    )
    services.describe_service(
        cloud,
        ecs,
        services.task(
            "new",
            healthStatus="HEALTHY",
            startedAt=NOW,
            capacityProviderName="FARGATE_SPOT",
            attachments=address,
        ),
        services.task("starts", lastStatus="PENDING", availabilityZone="us-east-1b"),
        loadBalancers=[{"targetGroupArn": "group"}],
    )
    wanted = {"cluster": "c", "serviceName": "s", "desiredStatus": "STOPPED"}
    # Two pages, so that both are read.
    first = {"taskArns": [f"{ARN}task/c/late"], "nextToken": "more"}
    ecs.add_response("list_tasks", first, wanted)
    ecs.add_response(
        "describe_tasks",
        {
            "tasks": [
                services.task(
                    "late",
                    stoppedAt=NOW + timedelta(minutes=1),
                    stoppedReason="Essential container in task exited",
                    containers=[{"name": "service", "exitCode": 137, "reason": "OutOfMemoryError"}],
                )
            ]
        },
    )
    ecs.add_response("list_tasks", {"taskArns": [f"{ARN}task/c/early"]}, {**wanted, "nextToken": "more"})
    ecs.add_response(
        "describe_tasks",
        {"tasks": [services.task("early", stoppedAt=NOW, stoppedReason="CannotPullContainerError")]},
    )
    return ecs, elbv2


def test_tasks_and_ended_ones_are_shown(cloud, capsys):
    ecs, elbv2 = prepare(cloud)
    with ecs, elbv2:
        assert tasks.run(cloud, Terminal(), as_json=False) == 0
        ecs.assert_no_pending_responses()
        elbv2.assert_no_pending_responses()
    said = capsys.readouterr().out.splitlines()
    new = next(line for line in said if line.lstrip("│| ").startswith("new"))
    for word in ("us-east-1a", "RUNNING", "HEALTHY", "healthy", "2026-11-01T12:00:00+00:00", "FARGATE_SPOT"):
        assert word in new
    assert "sha256:abababababab" in new
    assert "Ended within the last hour: 2" in said
    early = next(at for at, line in enumerate(said) if "early" in line)
    late = next(at for at, line in enumerate(said) if "late" in line)
    assert early < late
    assert "service unknown" in said[early]
    assert "service 137" in said[late]
    assert "Essential container in task exited; service: OutOfMemoryError" in said[late]


def service_of(*found: tasks.Task, complaint: str = "") -> tasks.Service:
    return tasks.Service("s", "c", "d", False, 2, len(found), 0, "COMPLETED", None, complaint, found)


def one(target: str, why: str = "", health: str = "HEALTHY") -> tasks.Task:
    return tasks.Task("t", "us-east-1a", "RUNNING", health, target, why, IMAGE, None, "FARGATE")


def gone(reason: str) -> tasks.Ended:
    return tasks.Ended("t", "us-east-1a", "2026-11-01T12:00:00+00:00", reason, {})


WRONG = "Health checks failed with these codes: [404]"
ENDED = gone("Task failed ELB health checks in (target-group g)")


def test_what_keeps_tasks_from_serving_is_told_with_what_to_do():
    said = trouble.told("local", service_of(one("unhealthy", WRONG), one("unhealthy", WRONG)), [ENDED, ENDED])
    assert said[:3] == [
        "s: 0 of 2 tasks serve.",
        f"The load balancer finds them unhealthy: {WRONG}",
        f"2 tasks failed within the last hour, the last at 2026-11-01T12:00:00+00:00: {ENDED.reason}",
    ]
    assert said[3].startswith("What to do: The container answers the health check, but not with 200.")
    assert len(said) == 4


def test_new_tasks_are_no_news_of_those_that_were_ended():
    said = trouble.told("local", service_of(one("initial"), complaint=WRONG), [ENDED])
    assert f"The load balancer finds them unhealthy: {WRONG}" in said
    assert said[2].startswith("One task failed within the last hour")


@pytest.mark.parametrize(
    ("service", "ended"),
    [
        (service_of(one("healthy"), one("healthy")), [ENDED]),
        (service_of(one("healthy"), one("initial")), []),
        (service_of(one("healthy")), [gone("Scaling activity initiated by (deployment d)")]),
    ],
    ids=["all serve again", "one starts", "on purpose"],
)
def test_nothing_is_wrong(service, ended):
    assert trouble.told("local", service, ended) == []


def test_a_service_without_tasks_says_why_the_last_one_ended():
    said = trouble.told("dev", service_of(), [gone("CannotPullContainerError: not found")])
    assert said[0] == "s: 0 of 2 tasks serve."
    assert "make push ENV=dev" in said[2]


def test_tasks_as_json(cloud, capsys):
    ecs, elbv2 = prepare(cloud)
    with ecs, elbv2:
        assert tasks.run(cloud, Terminal(), as_json=True) == 0
    (service,) = json.loads(capsys.readouterr().out)
    assert [task["id"] for task in service["tasks"]] == ["new", "starts"]
    assert service["tasks"][1]["started"] is None
    assert [(task["id"], task["exit_codes"]) for task in service["ended"]] == [
        ("early", {"service": None}),
        ("late", {"service": 137}),
    ]


def test_only_running_tasks_count_in_a_zone(cloud):
    ecs, elbv2 = prepare(cloud)
    with ecs, elbv2:
        (service,) = tasks.existing(cloud)
    assert service.zones == {"us-east-1a": 1}
    assert service.deployed == "2026-11-01T12:00:00+00:00"


def test_without_a_service_it_says_where_to_look(created):
    done = created.do("tasks")
    assert done.exit_code == 1
    assert "has no ECS service now" in done.stderr
    assert "make status" in done.stderr
    with pytest.raises(ToolError):
        tasks.existing(Cloud(environment.load(created.root, created.env)))
