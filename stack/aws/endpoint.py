"""The API's presence: does it answer, start it where the file says how, stop it, and who are we there."""

from __future__ import annotations

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's

from stack.aws import command
from stack.aws.clients import Cloud
from stack.errors import OK, ToolError, usage
from stack.terminal import Terminal

# `start` waits itself until the endpoint is ready; this only bounds a start that hangs.
_START_SECONDS = 120
# Tasks may take as long as their StopTimeout, 120 s at most, to leave.
_STOP_SECONDS = 180


def answers(cloud: Cloud) -> bool:
    """Say whether the endpoint answers CloudFormation calls; anything but silence raises as usual."""
    # What takes the connection is there; on a busy machine it may take its time to answer.
    client = cloud.client(
        "cloudformation", connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 1}
    )
    try:
        client.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])
    except (ConnectionError, HTTPClientError):
        return False
    return True


def is_there(cloud: Cloud) -> bool:
    """Say whether there is anything to ask: AWS, or an endpoint that answers."""
    return cloud.environment.endpoint is None or answers(cloud)


def start(cloud: Cloud, terminal: Terminal) -> int:
    """Run the environment's `start` command and print what it says. Raises a ToolError."""
    endpoint = cloud.environment.endpoint
    if endpoint is None or not endpoint.start:
        raise usage(
            f"{cloud.environment.file} has no [endpoint] start command: there is nothing to start.",
            "Give an environment that has one, such as ENV=local.",
        )
    what = f"Starting the endpoint at {cloud.url}"
    terminal.result(command.run(cloud, endpoint.start, what, seconds=_START_SECONDS).strip())
    terminal.data({"environment": cloud.environment.name, "endpoint": cloud.url})
    return OK


def ensure(cloud: Cloud, terminal: Terminal) -> bool:
    """Make sure that the API can be used; return True when this call had to start it.

    Where the environment has an [endpoint] that does not answer, its `start` command is run. For a real
    environment the credentials are checked and the account is named. Raises a ToolError; nothing was changed.
    """
    endpoint = cloud.environment.endpoint
    if endpoint is None:
        identity = cloud.sts.get_caller_identity()
        terminal.say(f"Account {identity['Account']}, {cloud.where}, as {identity['Arn']}")
        return False
    if answers(cloud):
        return False
    if not endpoint.start:
        raise ToolError(
            f"Nothing answers at {cloud.url}.", f"{cloud.environment.file} has no [endpoint] start command."
        )
    terminal.say(f"Nothing answers at {cloud.url} yet: starting it")
    what = f"Starting the endpoint at {cloud.url}"
    if said := command.run(cloud, endpoint.start, what, seconds=_START_SECONDS).strip():
        terminal.say(said)
    if not answers(cloud):
        raise ToolError(f"The endpoint was started, but nothing answers at {cloud.url}.")
    return True


def require(cloud: Cloud) -> None:
    """Check that the API answers, without starting anything (for commands that only read)."""
    if cloud.environment.endpoint and not answers(cloud):
        raise ToolError(
            f"Nothing answers at {cloud.url}.",
            f"Start it and what it holds with: make create ENV={cloud.environment.name}",
        )


def present(cloud: Cloud, terminal: Terminal) -> None:
    """Check that the API can be used for an environment that has to exist already; start nothing."""
    if cloud.environment.endpoint:
        require(cloud)
    else:
        ensure(cloud, terminal)


def stop_if_empty(cloud: Cloud, terminal: Terminal) -> None:
    """Stop the endpoint when no stack of any environment is left on it."""
    endpoint = cloud.environment.endpoint
    if endpoint is None or not endpoint.stop:
        return
    try:
        left = [
            stack["StackName"]
            for region in cloud.environment.regions
            for page in cloud.within(region).cloudformation.get_paginator("describe_stacks").paginate()
            for stack in page["Stacks"]
        ]
    except ClientError as error:
        raise ToolError(f"Cannot list what is left at {cloud.url}: {error}") from error
    if left:
        terminal.say(f"{cloud.url} keeps running; it still holds {', '.join(sorted(left))}")
        return
    what = f"Stopping the endpoint at {cloud.url}"
    said = command.run(cloud, endpoint.stop, what, seconds=_STOP_SECONDS).strip()
    terminal.say(said or f"Stopped {cloud.url}; nothing is left on it")
