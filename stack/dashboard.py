"""Where the environment's dashboard is in the console of its partition and region."""

from __future__ import annotations

from urllib.parse import quote

from stack import stacks
from stack.clients import Cloud
from stack.errors import OK, refused
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
            "Its alarms: make local-status",
        )
    found = [
        {"stack": stack.name, "dashboard": name, "url": url(cloud, stack.id, name)}
        for stack in stacks.describe_all(cloud).values()
        if stack
        for name in stacks.of_type(stacks.resources(cloud, stack.id), _TYPE)
    ]
    if not found:
        raise refused(
            f"{environment.name} has no dashboard: none of its stacks holds one.",
            f"Add a stack that does to {environment.file}: grep -l {_TYPE} cloudformation/*.yaml",
        )
    for one in found:
        terminal.result(one["url"])
    terminal.data({"environment": environment.name, "dashboards": found})
    return OK


def url(cloud: Cloud, stack_id: str, name: str) -> str:
    """Make the URL of a dashboard, in its stack's region. Raises a refusal where the console is not known."""
    host = _CONSOLES.get(cloud.partition)
    if host is None:
        raise refused(f"The console of {cloud.partition} is not known here; the dashboard is {name}.")
    region = stack_id.split(":")[3] if stack_id.startswith("arn:") else cloud.environment.region
    place = f"https://{region}.{host}/cloudwatch/home?region={region}"
    return f"{place}#dashboards/dashboard/{quote(name, safe='')}"
