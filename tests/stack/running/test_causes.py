"""The first cause in one sentence, from what CloudFormation, ECS and the balancer said."""

from __future__ import annotations

from typing import Any

import pytest

from stack.running import causes
from stack.running.causes import Cause
from stack.running.evidence import Evidence, StoppedTask

# As AWS says it: the circuit breaker, and not what tripped it.
BREAKER = (
    "Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit Breaker "
    "was triggered'.\" (RequestToken: 1b2c-3d, HandlerErrorCode: GeneralServiceException)"
)
FAILED = Cause("Service", "AWS::ECS::Service", "UPDATE_FAILED", BREAKER)
EXITED = "Essential container in task exited"
SCALED = "Scaling activity initiated by (deployment ecs-svc/1)"
UNHEALTHY = "Task failed ELB health checks in (target-group arn:tg)"


def task(identity: str, reason: str, exit_code: int | None = None, why: str = "", **more: Any) -> StoppedTask:
    return StoppedTask(
        identity, "echo:7", reason, [{"name": "web", "exit_code": exit_code, "reason": why}], **more
    )


def seen(*tasks: StoppedTask, **more: Any) -> Evidence:
    return Evidence(stopped={one.id: one for one in tasks}, **more)


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (seen(), "ECS Deployment Circuit Breaker was triggered"),
        (
            seen(task("a", "CannotPullContainerError: no", code="TaskFailedToStart")),
            "no task could start: CannotPullContainerError: no",
        ),
        (
            seen(task("a", EXITED, 137, "OutOfMemoryError: Container killed")),
            "its container web ended with exit code 137: OutOfMemoryError: Container killed",
        ),
        (
            seen(task("a", EXITED, 3, log=["starting", "Error: no such table", "bye"])),
            "its container web ended by itself with exit code 3: Error: no such table",
        ),
        (
            seen(task("a", EXITED, 0, log=["one", "last"])),
            "its container web ended by itself with exit code 0: last",
        ),
        (seen(task("a", EXITED, 1)), "its container web ended by itself with exit code 1"),
        (
            seen(task("a", UNHEALTHY, 0), targets={"10.0.0.1:80": "Request timed out"}),
            "its tasks never passed the load balancer's health check: Request timed out",
        ),
        (
            seen(task("a", "Task failed container health checks", 0)),
            "its tasks failed the container's own health command (HealthCommand)",
        ),
        (
            seen(service_events=["(service s) was unable to place a task. Reason: vCPU limit"]),
            "was unable to place a task. Reason: vCPU limit",
        ),
    ],
)
def test_the_cause_of_a_failed_service_is_what_its_tasks_tell(evidence: Evidence, said: str) -> None:
    assert causes.root(FAILED, evidence) == said


def test_of_tasks_the_first_of_the_new_version_tells() -> None:
    evidence = seen(
        task("scaled", SCALED, 0, at="1"),
        task("old", EXITED, 9, at="2", new=False),
        task("second", EXITED, 5, at="4"),
        task("first", EXITED, 4, at="3"),
    )
    assert "exit code 4" in causes.root(FAILED, evidence)
    assert [one.id for one in evidence.tasks] == ["first", "second", "old", "scaled"]


def test_an_alarm_is_the_cause_even_where_tasks_ended() -> None:
    alarm = Cause("Service", "AWS::ECS::Service", "UPDATE_FAILED", "ECS deployment failed: alarm detected.")
    evidence = seen(task("a", EXITED, 1), alarms=["Errors"])
    assert causes.root(alarm, evidence) == "ECS deployment failed: alarm detected: Errors"


def test_other_resources_have_the_cause_that_cloudformation_says() -> None:
    reason = 'Resource handler returned message: "Scope ARN: x (Service: Iam)" (HandlerErrorCode: NotFound)'
    role = Cause("Role", "AWS::IAM::Role", "CREATE_FAILED", reason)
    assert causes.root(role, seen(task("a", EXITED, 1))) == "Scope ARN: x (Service: Iam)"
    assert causes.chain(role, seen(), "s", "ROLLBACK_COMPLETE", "why") == [
        f"Role became CREATE_FAILED: {reason}",
        "s became ROLLBACK_COMPLETE: why",
    ]


def test_the_chain_goes_from_the_tasks_over_ecs_and_the_resource_to_the_stack() -> None:
    events = [
        "(service s) has started 2 tasks.",
        "(service s) (deployment d) deployment failed: tasks failed.",
    ]
    evidence = seen(task("a", EXITED, 1), task("b", EXITED, 1), service_events=events)
    assert causes.chain(FAILED, evidence, "s", "UPDATE_ROLLBACK_COMPLETE", "") == [
        f"2 tasks of echo:7 stopped: {EXITED}",
        "ECS: (deployment d) deployment failed: tasks failed.",
        f"Service became UPDATE_FAILED: {BREAKER}",
        "s became UPDATE_ROLLBACK_COMPLETE",
    ]


def test_tasks_that_ended_alike_are_together() -> None:
    tasks = [task("a", EXITED, 1), task("b", EXITED, 2), task("c", EXITED, 1)]
    assert [[one.id for one in alike] for alike in causes.together(tasks)] == [["a", "c"], ["b"]]
