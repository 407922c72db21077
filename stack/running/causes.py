"""The first cause of a failure, and the way from it to the stack, from what was seen meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stack.running.evidence import Evidence, StoppedTask

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

_STACK = "AWS::CloudFormation::Stack"
_SERVICE = "AWS::ECS::Service"
# What CloudFormation says about resources it gave up because another one had failed.
_GIVEN_UP = ("resource creation cancelled", "resource update cancelled", "resource creation canceled")
# CloudFormation's envelopes around what a service answered.
_ENVELOPES = (
    re.compile(r'Resource handler returned message: "(.*)" \((?:RequestToken: [^,)]+, )?[^")]*\)', re.DOTALL),
    re.compile(r"Error occurred during operation '(.*?)\.?'\.?", re.DOTALL),
)
# The line of a log that most likely says why.
_TELLING = re.compile(r"error|exception|fatal|denied|cannot|can't|failed|no such|not found", re.IGNORECASE)


@dataclass(frozen=True)
class Cause:
    """The first thing that failed."""

    logical_id: str
    type: str
    status: str
    reason: str


def first(events: Iterable[StackEventTypeDef]) -> Cause | None:
    """Find the earliest failure that is no consequence of another; `events` in the order they happened."""
    failures = [event for event in events if event.get("ResourceStatus", "").endswith("_FAILED")]
    own = [
        event
        for event in failures
        if event.get("ResourceType") != _STACK
        and not event.get("ResourceStatusReason", "").lower().startswith(_GIVEN_UP)
    ]
    chosen = (own or failures)[:1]
    if not chosen:
        return None
    event = chosen[0]
    return Cause(
        logical_id=event.get("LogicalResourceId", ""),
        type=event.get("ResourceType", ""),
        status=event["ResourceStatus"],
        reason=event.get("ResourceStatusReason", "") or "no reason given",
    )


def of_stack(cause: Cause | None) -> bool:
    """Say whether no single resource is to blame."""
    return cause is None or cause.type == _STACK


def plain(reason: str) -> str:
    """Take CloudFormation's envelopes off a reason."""
    for envelope in _ENVELOPES:
        if found := envelope.fullmatch(reason.strip()):
            reason = found[1]
    return reason


def root(cause: Cause, evidence: Evidence) -> str:
    """Say why the resource failed: of an ECS service what its tasks tell, else what CloudFormation does."""
    said = plain(cause.reason)
    if said.lower().startswith(_GIVEN_UP):
        return "its update was cancelled" if "update" in said.lower() else "its creation was cancelled"
    if cause.type != _SERVICE:
        return said
    if "alarm detected" in said.lower():
        return f"{said.rstrip('.')}: {', '.join(evidence.alarms)}" if evidence.alarms else said
    telling = _telling(evidence.tasks)
    return _of_task(telling[0], evidence) if telling else _of_events(evidence.service_events) or said


def chain(cause: Cause | None, evidence: Evidence, stack: str, status: str, reason: str) -> list[str]:
    """Say what led to what, a step each: from the tasks over ECS and the resource to the stack."""
    steps: list[str] = []
    if cause and cause.type == _SERVICE:
        for alike in together(_telling(evidence.tasks))[:1]:
            many = f"{len(alike)} tasks" if len(alike) > 1 else "A task"
            steps.append(f"{many} of {alike[0].task_definition} stopped: {alike[0].reason}")
        steps += [
            f"ECS: {short(event)}"
            for event in evidence.service_events
            if "deployment failed" in event or "rolling back to" in event
        ]
    if cause and not of_stack(cause):
        steps.append(f"{cause.logical_id} became {cause.status}: {cause.reason}")
    return [*steps, f"{stack} became {status}" + (f": {reason}" if reason else "")]


def together(tasks: Iterable[StoppedTask]) -> list[list[StoppedTask]]:
    """Put tasks that ended alike together, in the order of the first of each."""
    groups: dict[Any, list[StoppedTask]] = {}
    for task in tasks:
        ends = tuple((one["name"], one["exit_code"], one["reason"]) for one in task.containers)
        groups.setdefault((task.task_definition, task.reason, ends), []).append(task)
    return list(groups.values())


def short(event: str) -> str:
    """Return what ECS said without the service's name, which CloudFormation made up."""
    return re.sub(r"^\(service [^)]+\) ", "", event)


def _telling(tasks: Sequence[StoppedTask]) -> list[StoppedTask]:
    return [task for task in tasks if task.tells]


def _of_task(task: StoppedTask, evidence: Evidence) -> str:
    if "ELB health checks" in task.reason:
        seen = next(iter(evidence.targets.values()), task.reason)
        return f"its tasks never passed the load balancer's health check: {seen}"
    if "container health checks" in task.reason:
        return "its tasks failed the container's own health command (HealthCommand)"
    if task.code == "TaskFailedToStart":
        return f"no task could start: {task.reason or 'no reason given'}"
    for one in task.containers:
        code = "" if one["exit_code"] is None else f" with exit code {one['exit_code']}"
        if one["reason"]:
            return f"its container {one['name']} ended{code}: {one['reason']}"
        if code:
            last = _last_words(task.log)
            return f"its container {one['name']} ended by itself{code}" + (f": {last}" if last else "")
    return task.reason or "its tasks ended, and ECS gives no reason"


def _last_words(log: Sequence[str]) -> str:
    lines = [line.strip() for line in log if line.strip()]
    return next((line for line in reversed(lines) if _TELLING.search(line)), lines[-1] if lines else "")


def _of_events(events: Sequence[str]) -> str:
    """Why ECS says that tasks could not be placed, or targets were unhealthy; "" where it does not."""
    said = (short(event) for event in events if "unable to place" in event or "is unhealthy in" in event)
    return next(said, "")
