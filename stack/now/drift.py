"""Drift: what is other than the template says because somebody changed it past CloudFormation.

Some resources are meant to be changed by others; their differences are shown and named, and are no failure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError
from rich.table import Table

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.patience import patiently
from stack.aws.stacks import Stack
from stack.errors import FAILED, OK, ToolError
from stack.files import values
from stack.files.parameters import HIDDEN
from stack.terminal import Terminal

# What an endpoint answers that has no such operation.
_UNKNOWN_OPERATION = {"InvalidAction", "UnknownOperationException", "NotImplemented", "UnsupportedOperation"}
_DRIFTED = ("MODIFIED", "DELETED")
# CloudFormation cannot say for every type; what it compared and could not is listed as well.
_COMPARED = (*_DRIFTED, "IN_SYNC")


@dataclass(frozen=True)
class Design:
    """Differences of a resource type that are there by design, and who makes them.

    `path` matches the property that differs; the resource must have the property `has`.
    """

    type: str
    path: re.Pattern[str]
    has: str
    why: str


_BY_DESIGN = (
    Design(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        re.compile(r"/Actions/\d+/ForwardConfig/TargetGroups/\d+/Weight"),
        "Actions",
        "by design: a deployment moves the traffic from one target group to the other",
    ),
    Design(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        re.compile(r"/(Min|Max)Capacity"),
        "ScheduledActions",
        "by design: quiet hours set it",
    ),
)


@dataclass(frozen=True)
class Difference:
    """One property (or, with an empty path, the whole resource) that is other than expected."""

    stack: str
    logical_id: str
    type: str
    path: str
    expected: str
    actual: str
    by_design: str


@dataclass(frozen=True)
class Drift:
    """What was found at one stack; `compared` and `resources` count, `gaps` says what was not compared."""

    stack: str
    resources: int
    compared: int
    differences: tuple[Difference, ...]
    gaps: tuple[str, ...]


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Detect the drift of every stack and show it; return 1 if there is any that is not by design, else 0."""
    endpoint.require(cloud)
    there = {name: stack for name, stack in stacks.describe_all(cloud).items() if stack}
    if not there:
        raise ToolError(
            f"{cloud.environment.name} has no stacks.",
            f"make create ENV={cloud.environment.name} makes them.",
        )
    # All at once: AWS takes a minute for each.
    running = {name: _detect(cloud, stack) for name, stack in there.items()}
    found: list[Drift] = []
    for name, stack in there.items():
        terminal.say(f"Comparing {stack.name} with its template")
        found.append(_of_stack(cloud, stack, running[name]))
    unexpected = sum(not one.by_design for drift in found for one in drift.differences)
    failed = bool(unexpected or any(drift.gaps for drift in found))
    if as_json:
        terminal.json({"drifted": bool(unexpected), "stacks": [asdict(drift) for drift in found]})
    else:
        _show(terminal, found, unexpected)
    return FAILED if failed else OK


def _detect(cloud: Cloud, stack: Stack) -> str:
    try:
        return cloud.of(stack.id).cloudformation.detect_stack_drift(StackName=stack.id)[
            "StackDriftDetectionId"
        ]
    except ClientError as error:
        if error.response["Error"].get("Code") in _UNKNOWN_OPERATION:
            raise ToolError(f"{cloud.where} has no drift detection.") from error
        raise


def _of_stack(cloud: Cloud, stack: Stack, detection: str) -> Drift:
    cloud = cloud.of(stack.id)
    reason = _wait(cloud, detection)
    described = [
        drift
        for page in _pages(cloud, stack)
        for drift in page["StackResourceDrifts"]
        if drift["StackResourceDriftStatus"] in _COMPARED
    ]
    drifted = [drift for drift in described if drift["StackResourceDriftStatus"] in _DRIFTED]
    side = values.current(cloud, stack) if drifted else None
    return Drift(
        stack=stack.name,
        resources=len(stacks.resources(cloud, stack.id)),
        compared=len(described),
        differences=tuple(one for drift in drifted for one in _differences(stack, drift, side)),
        gaps=(reason,) if reason else (),
    )


def _wait(cloud: Cloud, detection: str) -> str:
    """Wait until the detection ends; return why it could not compare everything, "" if it could."""
    while True:
        status = patiently(
            lambda: cloud.cloudformation.describe_stack_drift_detection_status(
                StackDriftDetectionId=detection
            )
        )
        if status["DetectionStatus"] == "DETECTION_COMPLETE":
            return ""
        if status["DetectionStatus"] == "DETECTION_FAILED":
            return status.get("DetectionStatusReason") or "CloudFormation gives no reason"
        time.sleep(cloud.pause)


def _pages(cloud: Cloud, stack: Stack) -> Iterator[Any]:
    """The pages of DescribeStackResourceDrifts, for which boto3 has no paginator."""
    more: Any = {}
    while True:
        page = cloud.cloudformation.describe_stack_resource_drifts(StackName=stack.id, **more)
        yield page
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _differences(stack: Stack, drift: Any, side: values.Side | None) -> Iterator[Difference]:
    name, kind = drift["LogicalResourceId"], drift["ResourceType"]
    if drift["StackResourceDriftStatus"] == "DELETED":
        yield Difference(stack.name, name, kind, "", "there", "deleted", "")
    for one in drift.get("PropertyDifferences", ()):
        path = one["PropertyPath"]
        # Without a template to look into, everything may be a secret.
        secret = side is None or side.hides(name, path.strip("/").replace("/", "."))
        expected, actual = one.get("ExpectedValue", ""), one.get("ActualValue", "")
        if one["DifferenceType"] == "ADD":
            expected = "nothing"
        elif one["DifferenceType"] == "REMOVE":
            actual = "nothing"
        why = _design(kind, path, drift.get("ExpectedProperties", ""))
        if secret:
            expected = actual = HIDDEN
        yield Difference(stack.name, name, kind, path, expected, actual, why)


def _design(kind: str, path: str, properties: str) -> str:
    for design in _BY_DESIGN:
        if design.type == kind and design.path.fullmatch(path) and f'"{design.has}"' in properties:
            return design.why
    return ""


def _show(terminal: Terminal, found: list[Drift], unexpected: int) -> None:
    differences = [one for drift in found for one in drift.differences]
    if differences:
        table = Table(pad_edge=False)
        for heading in ("Stack", "Resource", "Property", "Expected", "Actual", ""):
            table.add_column(heading, overflow="fold")
        for one in differences:
            words = (one.stack, one.logical_id, one.path, one.expected, one.actual, one.by_design)
            table.add_row(*words, style="" if one.by_design else "red")
        terminal.table(table)
    for drift in found:
        terminal.result(f"{drift.stack}: {drift.compared} of {drift.resources} resources compared")
        for gap in drift.gaps:
            terminal.result(f"  not everything could be compared: {gap}")
    if unexpected:
        plural = "" if unexpected == 1 else "s"
        terminal.result(f"{unexpected} difference{plural} from the templates.")
        terminal.say(
            "Undo them by hand, or put them into the templates and run make change and make approve."
        )
    elif not any(drift.gaps for drift in found):
        terminal.result("No drift." if not differences else "No drift but that by design.")
