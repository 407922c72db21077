"""What is there now: stacks, services, what they run, alarms. Nothing here writes or starts anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from rich.table import Table

from stack.aws import changesets, endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import COMPLETE, Resource, Stack
from stack.errors import FAILED, OK, ToolError, explain
from stack.now import tasks
from stack.now.tasks import Service
from stack.terminal import Terminal

# DescribeAlarms takes so many at a time.
_MOST_NAMES = 100
# What it has to be asked for each kind of alarm; metric alarms are what it answers by itself.
_ALARMS: Mapping[str, Any] = {
    "AWS::CloudWatch::Alarm": {},
    "AWS::CloudWatch::CompositeAlarm": {"AlarmTypes": ["CompositeAlarm"]},
}
_GOOD_DRIFT = ("IN_SYNC", "NOT_CHECKED")


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Print the state of everything; return 0 when all stacks are complete, else 1."""
    endpoint.require(cloud)
    found = stacks.look_all(cloud, terminal.notice)
    rows = [_row(cloud, name, stack) for name, stack in found.items()]
    complete = all(stack is not None and stack.status in COMPLETE for stack in found.values())
    outputs = {name: stack.outputs for name, stack in found.items() if stack}
    resources = {stack.id: stacks.resources(cloud, stack.id) for stack in found.values() if stack}
    services = [service for each in resources.values() for service in tasks.of_resources(cloud, each)]
    images = {image: _labels(cloud, terminal, image, outputs) for image in _images(services)}
    troubles = {service.name: tasks.trouble_of(cloud, service) for service in services}
    alarms = _together(_alarms(cloud.of(stack), each) for stack, each in resources.items())
    if as_json:
        terminal.json(
            {
                "environment": cloud.environment.name,
                "where": cloud.where,
                "complete": complete,
                "url": stacks.url(outputs) or None,
                "stacks": rows,
                "services": [
                    {**asdict(service), "zones": service.zones, "trouble": troubles[service.name]}
                    for service in services
                ],
                "images": images,
                "alarms": alarms,
            }
        )
        return OK if complete else FAILED
    _show_stacks(terminal, rows)
    for service in services:
        _show_service(terminal, service)
        for line in troubles[service.name]:
            terminal.result(line, "bold red")
    for image, labels in images.items():
        said = ", ".join(f"{key} {value}" for key, value in labels.items() if value)
        terminal.result(f"Image {image}" + (f": {said}" if said else ""))
    _show_alarms(terminal, alarms)
    if url := stacks.url(outputs):
        terminal.result(f"URL {url}")
    if not complete:
        terminal.say(f"Not complete. Create what is missing: make create ENV={cloud.environment.name}")
    return OK if complete else FAILED


def _row(cloud: Cloud, name: str, stack: Stack | None) -> dict[str, Any]:
    checked = stack.drift_checked if stack else None
    return {
        "stack": cloud.environment.stack_name(name),
        "status": stack.status if stack else "missing",
        "reason": stack.reason if stack else "",
        "updated": (stack.updated or stack.created).isoformat(timespec="seconds") if stack else None,
        "waiting": changesets.pending_names(cloud, name) if stack else [],
        "protected": bool(stack and stack.protected),
        "drift": stack.drift if stack else "NOT_CHECKED",
        "drift_checked": checked.isoformat(timespec="seconds") if checked else None,
    }


def _images(services: Sequence[Service]) -> list[str]:
    """The images that tasks have, each once; two while a deployment goes on."""
    return list(dict.fromkeys(task.image for service in services for task in service.tasks if task.image))


def _labels(
    cloud: Cloud, terminal: Terminal, image: str, outputs: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What an image of the environment's own repository says of its version and commit; empty otherwise."""
    uri, _, digest = image.partition("@")
    if uri not in [found.get("RepositoryUri") for found in outputs.values()]:
        return {}
    from stack.image import labels

    try:
        return {key: value for key, value in asdict(labels.read(cloud, uri, digest)).items() if value}
    except ToolError as error:
        terminal.notice(f"version and commit of the image are not known: {error.message}")
    except ClientError as error:
        terminal.notice(
            f"version and commit of the image are not known: {explain(error, cloud.where).message}"
        )
    return {}


def _alarms(cloud: Cloud, found: Sequence[Resource]) -> dict[str, list[str]]:
    """Logical ids of the stacks' alarms by their state (OK, ALARM, INSUFFICIENT_DATA)."""
    states: dict[str, list[str]] = {}
    for kind, asked in _ALARMS.items():
        names = {resource.physical_id: resource.logical_id for resource in found if resource.type == kind}
        listed = list(names)
        for start in range(0, len(listed), _MOST_NAMES):
            some = listed[start : start + _MOST_NAMES]
            for page in cloud.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNames=some, **asked):
                for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
                    states.setdefault(alarm["StateValue"], []).append(names[alarm["AlarmName"]])
    return {state: sorted(ids) for state, ids in sorted(states.items())}


def _together(parts: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """The alarms of several stacks as those of one."""
    states: dict[str, list[str]] = {}
    for part in parts:
        for state, ids in part.items():
            states.setdefault(state, []).extend(ids)
    return {state: sorted(ids) for state, ids in sorted(states.items())}


def _show_stacks(terminal: Terminal, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(pad_edge=False)
    for heading in ("Stack", "Status", "Since", "Drift", "Waiting for approval", "Reason"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        good = row["status"] in COMPLETE and row["drift"] in _GOOD_DRIFT
        table.add_row(
            row["stack"],
            row["status"],
            row["updated"] or "",
            _drift(row["drift"], row["drift_checked"], datetime.now(UTC)),
            ", ".join(row["waiting"]),
            row["reason"],
            style="" if good else "red",
        )
    terminal.table(table)


def _drift(state: str, checked: str | None, now: datetime) -> str:
    """What the last look for drift found, and how long ago it was."""
    if checked is None:
        return "not looked for"
    seconds = (now - datetime.fromisoformat(checked)).total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{state}, {seconds // size:.0f} {unit} ago"
    return f"{state}, just now"


def _show_service(terminal: Terminal, service: Service) -> None:
    zones = ", ".join(f"{count} in {zone}" for zone, count in service.zones.items())
    terminal.result(
        f"Service {service.name}: {service.running} of {service.desired} tasks run, {service.pending} start"
        + (f"; {zones}" if zones else "")
    )
    if service.deployed:
        terminal.result(f"Last deployment: {service.rollout or 'state unknown'}, began {service.deployed}")
    terminal.table(tasks.table(service))


def _show_alarms(terminal: Terminal, alarms: Mapping[str, Sequence[str]]) -> None:
    if alarms:
        counts = ", ".join(f"{len(ids)} {state}" for state, ids in alarms.items())
        firing = alarms.get("ALARM", ())
        terminal.result(
            f"Alarms: {counts}" + (f" ({', '.join(firing)})" if firing else ""), "bold red" if firing else ""
        )
