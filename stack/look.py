"""What is there now: status, outputs, events, the last verdicts. Nothing here writes or starts anything."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Table

from stack import changesets, endpoint, stacks, tasks, verdict
from stack.clients import Cloud
from stack.errors import FAILED, OK, nearest, usage
from stack.stacks import COMPLETE
from stack.terminal import Terminal


def status(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Print each stack's state and each service's tasks; exit code 0 when all is complete, 1 otherwise."""
    endpoint.require(cloud)
    found = stacks.describe_all(cloud)
    rows: list[dict[str, Any]] = []
    for name, stack in found.items():
        rows.append(
            {
                "stack": cloud.environment.stack_name(name),
                "status": stack.status if stack else "missing",
                "reason": stack.reason if stack else "",
                "updated": (stack.updated or stack.created).isoformat(timespec="seconds") if stack else None,
                "waiting": changesets.pending_names(cloud, name) if stack else [],
                "protected": bool(stack and stack.protected),
            }
        )
    complete = all(stack is not None and stack.status in COMPLETE for stack in found.values())
    outputs = {name: stack.outputs for name, stack in found.items() if stack}
    services = tasks.describe(cloud, found)
    if as_json:
        terminal.json(
            {
                "environment": cloud.environment.name,
                "where": cloud.where,
                "complete": complete,
                "url": stacks.url(outputs) or None,
                "stacks": rows,
                "services": [asdict(service) for service in services],
            }
        )
        return OK if complete else FAILED
    table = Table(pad_edge=False)
    for heading in ("Stack", "Status", "Since", "Waiting for approval", "Reason"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        good = row["status"] in COMPLETE
        table.add_row(
            row["stack"],
            row["status"],
            row["updated"] or "",
            ", ".join(row["waiting"]),
            row["reason"],
            style="" if good else "red",
        )
    terminal.table(table)
    for service in services:
        _show_service(service, terminal)
    if url := stacks.url(outputs):
        terminal.result(f"URL {url}")
    if not complete:
        terminal.say(f"Not complete. Create what is missing: make create ENV={cloud.environment.name}")
    return OK if complete else FAILED


def _show_service(service: tasks.Service, terminal: Terminal) -> None:
    terminal.result(
        f"Service {service.name}: {service.running} of {service.desired} tasks run, {service.pending} start"
        + (f"; deployment {service.rollout}" if service.rollout else "")
    )
    terminal.table(tasks.table(service))


def outputs(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Print the outputs of the environment's stacks."""
    endpoint.require(cloud)
    found = {name: stack.outputs for name, stack in stacks.describe_all(cloud).items() if stack}
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
    return OK
