"""`delete`: an environment's stacks, last first; says what stays."""

from __future__ import annotations

import click

from stack import strays
from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.errors import OK, ToolError, refused
from stack.review import protection
from stack.running import causes
from stack.running.progress import Follower
from stack.terminal import Terminal

# BatchDeleteImage takes no more at once.
_BATCH = 100
# By which parameter a new stack gets what an old one left behind, and which output of the old one says it.
_FOUND_AGAIN = {
    "AWS::DynamoDB::GlobalTable": ("ExistingTable", "TableName"),
    "AWS::DynamoDB::Table": ("ExistingTable", "TableName"),
    "AWS::KMS::Key": ("ExistingKeyArn", "KeyArn"),
}


def run(cloud: Cloud, terminal: Terminal, yes: bool) -> int:
    """Delete every stack of the environment and return the exit code; nothing there is a success."""
    environment = cloud.environment
    endpoint.ensure(cloud, terminal)
    found = {name: stack for name, stack in stacks.describe_all(cloud).items() if stack}
    if not found:
        terminal.say(f"{environment.name} does not exist at {cloud.where}; there is nothing to delete.")
        endpoint.stop_if_empty(cloud, terminal)
        terminal.data({"environment": environment.name, "deleted": [], "kept": [], "found_again_by": {}})
        return OK
    running = [stack for stack in found.values() if _busy(stack)]
    if running:
        raise refused(
            f"{running[0].name} is {running[0].status}: an operation is running. Nothing was deleted.",
            f"Wait until it rests: make status ENV={environment.name}",
        )
    protection.check_deletable(cloud, found.values())
    _confirm(cloud, terminal, found, yes)
    kept: list[dict[str, str]] = []
    again: dict[str, dict[str, str]] = {}
    for name, stack in reversed(found.items()):
        left = _delete(cloud, terminal, name, stack)
        kept += left
        if lines := _found_again(cloud, name, stack, left):
            again[name] = lines
    terminal.say(f"{environment.name} is deleted", "bold green")
    for one in kept:
        terminal.result(f"Kept, and still billed where it costs: {one['id']} ({one['type']})")
    _tell_how(cloud, terminal, again)
    endpoint.stop_if_empty(cloud, terminal)
    deleted = [stack.name for stack in reversed(found.values())]
    terminal.data(
        {"environment": environment.name, "deleted": deleted, "kept": kept, "found_again_by": again}
    )
    return OK


def _found_again(cloud: Cloud, name: str, stack: Stack, kept: list[dict[str, str]]) -> dict[str, str]:
    """Parameters, with values, by which a new stack takes what this one left behind."""
    known = cloud.environment.templates[name].parameters
    pairs = [_FOUND_AGAIN[one["type"]] for one in kept if one["type"] in _FOUND_AGAIN]
    return {
        parameter: stack.outputs[output]
        for parameter, output in pairs
        if parameter in known and output in stack.outputs
    }


def _tell_how(cloud: Cloud, terminal: Terminal, again: dict[str, dict[str, str]]) -> None:
    """Print the lines of the environment file with which `create` takes what was kept."""
    if not again:
        return
    name, file = cloud.environment.name, cloud.environment.file
    terminal.say(f"make create ENV={name} makes new ones, unless {file} says before:")
    for stack, lines in again.items():
        terminal.result(f"[parameters.{stack}]")
        for parameter, value in lines.items():
            terminal.result(f'{parameter} = "{value}"')


def _busy(stack: Stack) -> bool:
    return stack.status.endswith("_IN_PROGRESS") and stack.status not in (
        stacks.EMPTY,
        "DELETE_IN_PROGRESS",
    )


def _confirm(cloud: Cloud, terminal: Terminal, found: dict[str, Stack], yes: bool) -> None:
    """Have the environment's name typed, unless --yes or an environment with an endpoint of its own."""
    environment = cloud.environment
    terminal.say(f"Deleting {', '.join(stack.name for stack in reversed(found.values()))} at {cloud.where}")
    if yes or environment.endpoint:
        return
    if not terminal.asks:
        raise refused(
            f"Deleting {environment.name} has to be confirmed, and there is no terminal to ask on. "
            "Nothing was deleted.",
            f"If it is meant: make delete ENV={environment.name} YES=1",
        )
    typed = click.prompt(
        f"Type the environment's name ({environment.name}) to delete it", default="", err=True
    )
    if typed != environment.name:
        raise refused(f'"{typed}" is not {environment.name}; nothing was deleted.')


def _delete(cloud: Cloud, terminal: Terminal, name: str, stack: Stack) -> list[dict[str, str]]:
    """Delete one stack and return what it left behind: `id` and `type` of each."""
    template = cloud.environment.templates[name]
    repositories = [
        key
        for key, one in template.resources.items()
        if one.type == "AWS::ECR::Repository" and not one.retained
    ]
    if repositories:
        _empty_repositories(cloud, terminal, stack, repositories)
    strays.stop(cloud, terminal, stack)
    follower = Follower(cloud, terminal, template, stack)

    def start() -> None:
        if stack.status != "DELETE_IN_PROGRESS":
            stacks.delete(cloud, stack)

    outcome = follower.follow("Deleting", start)
    if outcome.status != "DELETE_COMPLETE":
        cause = causes.first(outcome.events)
        why = f": {cause.logical_id} ({cause.type}): {cause.reason}" if cause else ""
        raise ToolError(
            f"{stack.name} ended {outcome.status}{why}",
            "Clear what holds it and run the same command again; it continues there.",
        )
    return [
        {
            "id": event.get("PhysicalResourceId") or event.get("LogicalResourceId", ""),
            "type": event.get("ResourceType", ""),
        }
        for event in outcome.kept
    ]


def _empty_repositories(cloud: Cloud, terminal: Terminal, stack: Stack, logical_ids: list[str]) -> None:
    """Delete the images of the stack's repositories: CloudFormation refuses to delete a filled one."""
    there = stacks.resources(cloud, stack.id)
    names = [resource.physical_id for resource in there if resource.logical_id in logical_ids]
    for name in names:
        images = [
            image
            for page in cloud.ecr.get_paginator("list_images").paginate(repositoryName=name)
            for image in page["imageIds"]
        ]
        digests = sorted({image["imageDigest"] for image in images if "imageDigest" in image})
        if not digests:
            continue
        terminal.say(
            f"Deleting {len(digests)} images of {name} first; CloudFormation deletes only an empty one"
        )
        for first in range(0, len(digests), _BATCH):
            answer = cloud.ecr.batch_delete_image(
                repositoryName=name,
                imageIds=[{"imageDigest": digest} for digest in digests[first : first + _BATCH]],
            )
            for failure in answer.get("failures", []):
                raise ToolError(f"An image of {name} was not deleted: {failure.get('failureReason')}")
