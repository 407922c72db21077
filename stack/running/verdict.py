"""Why an operation failed: the first cause in one sentence, with what was seen meanwhile.

Verdicts are kept in .state/<ENV>/, since a rollback erases what they are made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.files.environment import Environment
from stack.now.loglines import printable
from stack.running import causes, hints
from stack.running.evidence import Evidence, StoppedTask
from stack.terminal import Terminal

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

# How much of it is printed; all of it is in the kept file.
_SHOWN_LINES = 10
_SHOWN_EVENTS = 8
# Of a failure of anything else, tasks and their service only tell that they went on working.
_SERVICE = "AWS::ECS::Service"


def make(
    environment: Environment,
    stack: str,
    operation: str,
    status: str,
    events: Iterable[StackEventTypeDef],
    evidence: Evidence | None = None,
    reason: str = "",
) -> dict[str, Any]:
    """Put a verdict together as plain data. `operation` is "create" or "update", `reason` the stack's own."""
    evidence = evidence or Evidence()
    cause = causes.first(events)
    name = environment.stack_name(stack)
    if cause is None or causes.of_stack(cause):
        said = cause.reason if cause else reason or "CloudFormation gives no reason"
        sentence = f"{name} failed: {said}"
    else:
        what = environment.templates[stack].resources.get(cause.logical_id)
        which = f"{cause.logical_id} ({what.description})" if what else cause.logical_id
        sentence = f"{which} of {name} failed: {causes.root(cause, evidence)}"
    found = {
        "operation": operation,
        "environment": environment.name,
        "stack": name,
        "status": status,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cause": sentence,
        "logical_id": cause.logical_id if cause else None,
        "resource_type": cause.type if cause else None,
        "reason": cause.reason if cause else reason,
        "chain": causes.chain(cause, evidence, name, status, reason),
        **evidence.as_dict(),
    }
    return {**found, "hints": hints.find(found)}


def _file(environment: Environment, operation: str) -> Path:
    return environment.state / f"last-{operation}-failure.json"


def keep(environment: Environment, verdict: Mapping[str, Any]) -> None:
    """Write the verdict where `last-create-failure` and `last-update-failure` find it."""
    file = _file(environment, verdict["operation"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(verdict, indent=2) + "\n", encoding="utf-8")


def kept(environment: Environment, operation: str) -> dict[str, Any] | None:
    """Read the last verdict that was kept on this machine; None where there is none."""
    file = _file(environment, operation)
    if not file.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ToolError(f"{file} cannot be read: {error}", "Delete the file.") from error
    return found


def from_events(cloud: Cloud, operation: str) -> dict[str, Any] | None:
    """Make a verdict from what the stacks' own events still tell; None where no stack failed."""
    states = {"create": ("ROLLBACK_", "CREATE_FAILED"), "update": ("UPDATE_ROLLBACK_", "UPDATE_FAILED")}
    for name, stack in stacks.describe_all(cloud).items():
        if stack and stack.status.startswith(states[operation]):
            events = all_events(cloud, stack.id)
            return make(cloud.environment, name, operation, stack.status, events, reason=stack.reason)
    return None


def all_events(cloud: Cloud, stack_id: str) -> list[StackEventTypeDef]:
    """Read a stack's events in the order they happened."""
    cloud = cloud.of(stack_id)
    pages = cloud.cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def of_last_operation(events: Sequence[StackEventTypeDef], stack_id: str) -> list[StackEventTypeDef]:
    """Take those of the operation that runs, or ran last, of a stack's events in the order they happened."""

    def rests(event: StackEventTypeDef) -> bool:
        return event.get("PhysicalResourceId") == stack_id and event.get("ResourceStatus", "").endswith(
            ("_COMPLETE", "_FAILED")
        )

    # An event that is the very last one ends this operation and not the one before.
    ends = [number for number, event in enumerate(events[:-1]) if rests(event)]
    return list(events[ends[-1] + 1 :] if ends else events)


def show(terminal: Terminal, verdict: Mapping[str, Any]) -> None:
    """Print a verdict: the cause and what to do first, then what ECS, the balancer and the log said."""
    out = terminal.result
    out(f"{verdict['operation'].capitalize()} failed, {verdict['stack']} is {verdict['status']}:")
    out(f"  {printable(verdict['cause'])}", "bold")
    # Not in verdicts that were kept before there were hints; nor are the steps.
    for hint in verdict.get("hints", []):
        out(f"What to do: {hint}")
    for number, step in enumerate(verdict.get("chain", []), 1):
        if number == 1:
            out("How it came to that:")
        out(f"  {number}. {printable(step)}")
    if verdict.get("resource_type") in (_SERVICE, None):
        _show_service(terminal, verdict)
    for gap in verdict["gaps"]:
        out(f"({gap})")


def _show_service(terminal: Terminal, verdict: Mapping[str, Any]) -> None:
    out = terminal.result
    _show_tasks(terminal, [StoppedTask(**task) for task in verdict["stopped_tasks"]])
    for target, words in verdict["unhealthy_targets"].items():
        out(f"Target {target} was unhealthy: {words}")
    if verdict.get("alarms"):
        out(f"In ALARM meanwhile: {', '.join(verdict['alarms'])}")
    if verdict["service_events"]:
        out("What the ECS service said:")
        for message in verdict["service_events"][-_SHOWN_EVENTS:]:
            out(f"  {causes.short(message)}")


def _show_tasks(terminal: Terminal, tasks: Sequence[StoppedTask]) -> None:
    """Print those that tell why, tasks that ended alike once; the others only where there is nothing else."""
    out = terminal.result
    for alike in causes.together([task for task in tasks if task.tells] or tasks):
        # The log of one may have been lost.
        task = max(alike, key=lambda one: bool(one.log))
        more = f", and {len(alike) - 1} more like it," if len(alike) > 1 else ""
        out(f"Task {task.id} ({task.task_definition}){more} stopped: {task.reason or 'no reason given'}")
        for container in task.containers:
            code = "none" if container["exit_code"] is None else container["exit_code"]
            out(f"  container {container['name']}, exit code {code} {container['reason']}".rstrip())
        for line in task.log[-_SHOWN_LINES:]:
            out(f"    | {printable(line)}")
