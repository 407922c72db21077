"""Outputs, events and the last verdicts. Nothing here writes or starts anything."""

from __future__ import annotations

from typing import Any

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.errors import OK, nearest, usage
from stack.now import tasks
from stack.running import verdict
from stack.terminal import Terminal


def outputs(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Print the outputs of the environment's stacks."""
    endpoint.require(cloud)
    there = stacks.look_all(cloud, terminal.notice)
    found = {name: stack.outputs for name, stack in there.items() if stack}
    if as_json:
        terminal.json(found)
        return OK
    if not found:
        terminal.say(
            f"{cloud.environment.name} does not exist: make create ENV={cloud.environment.name} makes it."
        )
    for name, values in found.items():
        for key, value in values.items():
            terminal.result(f"{name}.{key}={value}")
    return OK


def events(cloud: Cloud, terminal: Terminal, stack_name: str | None, limit: int, as_json: bool) -> int:
    """Print the last events of the environment's stacks (or of one), oldest first."""
    environment = cloud.environment
    if stack_name and stack_name not in environment.stacks:
        close = nearest(stack_name, environment.stacks)
        raise usage(
            f'{environment.name} has no stack "{stack_name}"{close}.',
            f"It has {', '.join(environment.stacks)}.",
        )
    endpoint.require(cloud)
    found: list[Any] = []
    for name, stack in stacks.describe_all(cloud).items():
        if stack and stack_name in (None, name):
            found += verdict.all_events(cloud, stack.id)
    found.sort(key=lambda event: event["Timestamp"])
    if as_json:
        terminal.json(found[-limit:])
        return OK
    for event in found[-limit:]:
        reason = event.get("ResourceStatusReason", "")
        moment = event["Timestamp"].isoformat(timespec="seconds")
        terminal.result(
            f"{moment}  {event['StackName']}  {event.get('LogicalResourceId', '')}  "
            f"{event.get('ResourceStatus', '')}" + (f"  {reason}" if reason else "")
        )
    if not found:
        terminal.say(f"{environment.name} has no stacks, so there are no events.")
    return OK


def last_failure(cloud: Cloud, terminal: Terminal, operation: str, as_json: bool) -> int:
    """Print the last verdict on a failed create or update."""
    kept = verdict.kept(cloud.environment, operation)
    if kept is None:
        endpoint.require(cloud)
        kept = verdict.from_events(cloud, operation)
    if as_json:
        terminal.json(kept)
    elif kept is None:
        terminal.say(f"No failed {operation} of {cloud.environment.name} is known.")
    else:
        verdict.show(terminal, kept)
    if operation == "update" and not as_json and (kept is None or endpoint.is_there(cloud)):
        for service in tasks.describe(cloud, stacks.describe_all(cloud)):
            for line in tasks.trouble_of(cloud, service):
                terminal.result(f"Now: {line}", "bold")
    return OK
