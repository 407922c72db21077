"""The environment's dashboard: where it is in the console, or drawn into a file."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.errors import OK, refused
from stack.plot import sheet, widgets
from stack.terminal import Terminal

_TYPE = "AWS::CloudWatch::Dashboard"
# The consoles' hosts, by partition; a region's own stands before it.
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def run(cloud: Cloud, terminal: Terminal) -> int:
    """Print the URL of every dashboard of the environment's stacks. Raises a refusal where there is none."""
    environment = cloud.environment
    if environment.endpoint:
        raise refused(
            f"{cloud.where} has no console.",
            f"Have it drawn: make dashboard ENV={environment.name} PNG=dashboard.png",
        )
    found = [
        {"stack": stack.name, "dashboard": name, "url": url(cloud, stack.id, name)}
        for stack, name in _dashboards(cloud)
    ]
    for one in found:
        terminal.result(one["url"])
    terminal.data({"environment": environment.name, "dashboards": found})
    return OK


def draw(cloud: Cloud, terminal: Terminal, file: Path, python: Path, minutes: int | None) -> int:
    """Draw the first dashboard into a PNG file: the last `minutes`, or for None the time it shows itself."""
    endpoint.require(cloud)
    stack, name = _dashboards(cloud)[0]
    terminal.say(f"Fetching what {name} of {stack.name} shows")
    sheet.draw(widgets.sheet(cloud, terminal, name, minutes), python, file)
    terminal.result(str(file))
    terminal.data({"environment": cloud.environment.name, "dashboard": name, "file": str(file)})
    return OK


def _dashboards(cloud: Cloud) -> list[tuple[Stack, str]]:
    """Every dashboard with its stack. Raises a refusal where there is none."""
    found = [
        (stack, name)
        for stack in stacks.describe_all(cloud).values()
        if stack
        for name in stacks.of_type(stacks.resources(cloud, stack.id), _TYPE)
    ]
    if not found:
        environment = cloud.environment
        raise refused(
            f"{environment.name} has no dashboard: none of its stacks holds one.",
            f"Add a stack that does to {environment.file}: grep -l {_TYPE} cloudformation/*.yaml",
        )
    return found


def url(cloud: Cloud, stack_id: str, name: str) -> str:
    """Make the URL of a dashboard, in its stack's region. Raises a refusal where the console is not known."""
    host = _CONSOLES.get(cloud.partition)
    if host is None:
        raise refused(f"The console of {cloud.partition} is not known here; the dashboard is {name}.")
    region = stack_id.split(":")[3] if stack_id.startswith("arn:") else cloud.environment.region
    place = f"https://{region}.{host}/cloudwatch/home?region={region}"
    return f"{place}#dashboards/dashboard/{quote(name, safe='')}"
