"""Change sets: made, waited for, read in full, executed, deleted."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.patience import patiently
from stack.errors import ToolError, usage

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ChangeTypeDef

NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
# How AWS says that a change set holds nothing; there is no code for it.
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_WAIT_SECONDS = 300


@dataclass(frozen=True)
class ChangeSet:
    """A change set with all its changes."""

    name: str
    id: str
    stack: str
    status: str
    reason: str
    execution_status: str
    created: datetime
    parameters: Mapping[str, str]
    changes: list[ChangeTypeDef]

    @property
    def nothing(self) -> bool:
        """True when it failed because there is nothing to change."""
        return self.status == "FAILED" and any(words in self.reason for words in _NOTHING)


def check_name(name: str | None) -> str:
    """Return the name if CloudFormation takes it; otherwise raise a usage ToolError."""
    if not name:
        raise usage("A change needs a name.", "Give it one: NAME=wider-window (or --name wider-window).")
    if not NAME.fullmatch(name):
        raise usage(
            f'"{name}" cannot name a change set: it starts with a letter, then letters, digits and hyphens.',
            "For example NAME=wider-window",
        )
    return name


def make(
    cloud: Cloud,
    stack: str,
    name: str,
    kind: Literal["CREATE", "UPDATE"],
    values: Mapping[str, str],
) -> ChangeSet:
    """Make a change set for a stack and wait until it can be read. `values` are the parameters' values.

    Raises ClientError when CloudFormation refuses the template, a ToolError when it takes too long.
    """
    environment = cloud.environment
    cloud = cloud.of(stack)
    made = cloud.cloudformation.create_change_set(
        StackName=environment.stack_name(stack),
        ChangeSetName=name,
        ChangeSetType=kind,
        TemplateBody=environment.templates[stack].body,
        Parameters=stacks.as_parameters(values),
        Tags=stacks.as_tags(environment),
        Capabilities=environment.templates[stack].capabilities,
        **stacks.acting_role(environment),
        Description=f"{kind.lower()} {stack} of {environment.name}",
    )
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        found = patiently(lambda: describe(cloud, made["Id"], stack))
        if found is None:
            raise ToolError(f"The change set {name} of {environment.stack_name(stack)} vanished.")
        if not found.status.endswith(("_IN_PROGRESS", "_PENDING")):
            return found
        if time.monotonic() > deadline:
            raise ToolError(
                f"The change set {name} of {environment.stack_name(stack)} is still {found.status} "
                f"after {_WAIT_SECONDS} s."
            )
        time.sleep(cloud.pause)


def describe(cloud: Cloud, name_or_id: str, stack: str) -> ChangeSet | None:
    """Read a change set with all its pages and property values; None where there is none."""
    request: dict[str, Any] = {
        "ChangeSetName": name_or_id,
        "StackName": cloud.environment.stack_name(stack),
        "IncludePropertyValues": True,
    }
    cloud = cloud.of(stack)
    try:
        answer = cloud.cloudformation.describe_change_set(**request)
        changes = list(answer.get("Changes", []))
        while token := answer.get("NextToken"):
            answer = cloud.cloudformation.describe_change_set(**request, NextToken=token)
            changes += answer.get("Changes", [])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("ChangeSetNotFound", "ChangeSetNotFoundException"):
            return None
        if stacks.missing(error):
            return None
        raise
    return ChangeSet(
        name=answer["ChangeSetName"],
        id=answer["ChangeSetId"],
        stack=stack,
        status=answer["Status"],
        reason=answer.get("StatusReason", ""),
        execution_status=answer.get("ExecutionStatus", ""),
        created=answer["CreationTime"],
        parameters={
            item["ParameterKey"]: item.get("ParameterValue", "") for item in answer.get("Parameters", [])
        },
        changes=changes,
    )


def delete(cloud: Cloud, change_set: ChangeSet) -> None:
    """Delete a change set."""
    cloud.of(change_set.stack).cloudformation.delete_change_set(ChangeSetName=change_set.id)


def execute(cloud: Cloud, change_set: ChangeSet) -> None:
    """Start executing a change set."""
    cloud.of(change_set.stack).cloudformation.execute_change_set(ChangeSetName=change_set.id)


def pending_names(cloud: Cloud, stack: str) -> list[str]:
    """Names of the stack's change sets that could be executed; none where there is no stack."""
    try:
        cloud = cloud.of(stack)
        pages = cloud.cloudformation.get_paginator("list_change_sets").paginate(
            StackName=cloud.environment.stack_name(stack)
        )
        return [
            item["ChangeSetName"]
            for page in pages
            for item in page["Summaries"]
            if item.get("ExecutionStatus") == "AVAILABLE"
        ]
    except ClientError as error:
        if stacks.missing(error):
            return []
        raise
