"""The environment's dashboard: where it is in the console, or drawn into a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from botocore.exceptions import ClientError

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.errors import OK, explain, refused
from stack.now import deployed, releases, tasks
from stack.plot import sheet, widgets
from stack.plot.sheet import Event
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
        for stack, name in _dashboards(cloud, stacks.describe_all(cloud))
    ]
    for one in found:
        terminal.result(one["url"])
    terminal.data({"environment": environment.name, "dashboards": found})
    return OK


def draw(cloud: Cloud, terminal: Terminal, file: Path, python: Path, minutes: int | None) -> int:
    """Draw the first dashboard into a PNG file: the last `minutes`, or for None the time it shows itself.

    Deployments are marked in it, which a dashboard of CloudWatch cannot do: its lines stand where they are.
    """
    endpoint.require(cloud)
    sheet.check(python)
    there = stacks.describe_all(cloud)
    stack, name = _dashboards(cloud, there)[0]
    terminal.say(f"Fetching what {name} of {stack.name} shows")
    picture = widgets.sheet(cloud, terminal, name, minutes)
    if picture.span:
        picture.events = _deployments(cloud, terminal, there, picture.span[0])
    sheet.draw(picture, python, file)
    terminal.result(str(file))
    terminal.data({"environment": cloud.environment.name, "dashboard": name, "file": str(file)})
    return OK


def _deployments(
    cloud: Cloud, terminal: Terminal, there: Mapping[str, Stack | None], begin: float
) -> list[Event]:
    """The deployments since then, by their releases' names; none, said aloud, where ECS does not tell."""
    try:
        services = tasks.describe(cloud, dict(there))
        found = deployed.since(cloud, services, datetime.fromtimestamp(begin, UTC))
        names = releases.names(cloud, there) if found else {}
    except ClientError as error:
        terminal.notice(f"deployments are not marked: {explain(error, cloud.where).message}")
        return []
    return [
        Event(
            ", ".join(_name(image, names) for image in one.images) or "a deployment",
            one.began.timestamp(),
            one.ended.timestamp() if one.ended else None,
            one.went_back,
        )
        for one in found
    ]


def _name(image: str, names: Mapping[str, str]) -> str:
    """What the release with an image is called; an image of another repository goes by its own name."""
    repository, _, digest = image.rpartition("@")
    return names.get(digest) or f"{repository.rpartition('/')[2]}@{digest.removeprefix('sha256:')[:12]}"


def _dashboards(cloud: Cloud, there: Mapping[str, Stack | None]) -> list[tuple[Stack, str]]:
    """Every dashboard with its stack. Raises a refusal where there is none."""
    found = [
        (stack, name)
        for stack in there.values()
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
