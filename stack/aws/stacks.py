"""What CloudFormation says about a stack, and the parameters a stack gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own name)
    HTTPClientError,
)

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.files import rules
from stack.files.environment import IMAGE_PARAMETER, Environment
from stack.files.mistakes import Mistakes

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, TagTypeDef

# States from which an update can start.
COMPLETE = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
# A failed creation leaves one of these; such a stack can only be deleted.
FAILED_CREATION = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
# Made by a change set that was never executed.
EMPTY = "REVIEW_IN_PROGRESS"
# States of a resource that a stack has no more. What failed to be deleted is still there.
_GONE = {"DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_SKIPPED"}


class _ActingRole(TypedDict, total=False):
    RoleARN: str


@dataclass(frozen=True)
class Stack:
    """A stack as DescribeStacks sees it."""

    name: str
    id: str
    status: str
    reason: str
    created: datetime
    updated: datetime | None
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    protected: bool = False
    drift: str = "NOT_CHECKED"
    drift_checked: datetime | None = None


def missing(error: ClientError) -> bool:
    """Say whether CloudFormation answered that there is no such stack (it has no code of its own for it)."""
    found = error.response.get("Error", {})
    return found.get("Code") in (
        "ValidationError",
        "StackNotFoundException",
    ) and "does not exist" in found.get("Message", "")


def describe(cloud: Cloud, name_or_id: str) -> Stack | None:
    """Look at one stack; None where there is none (or only a deleted one)."""
    cloud = cloud.of(name_or_id)
    try:
        found = cloud.cloudformation.describe_stacks(StackName=name_or_id)["Stacks"]
    except ClientError as error:
        if missing(error):
            return None
        raise
    if not found or found[0]["StackStatus"] == "DELETE_COMPLETE":
        return None
    one = found[0]
    return Stack(
        name=one["StackName"],
        id=one.get("StackId", one["StackName"]),
        status=one["StackStatus"],
        reason=one.get("StackStatusReason", ""),
        created=one["CreationTime"],
        updated=one.get("LastUpdatedTime"),
        outputs={item["OutputKey"]: item["OutputValue"] for item in one.get("Outputs", [])},
        parameters={
            item["ParameterKey"]: item.get("ParameterValue", "") for item in one.get("Parameters", [])
        },
        tags={item["Key"]: item["Value"] for item in one.get("Tags", [])},
        protected=one.get("EnableTerminationProtection", False),
        drift=one.get("DriftInformation", {}).get("StackDriftStatus", "NOT_CHECKED"),
        drift_checked=one.get("DriftInformation", {}).get("LastCheckTimestamp"),
    )


def describe_all(cloud: Cloud) -> dict[str, Stack | None]:
    """Look at every stack of the environment, by its short name, in deployment order."""
    environment = cloud.environment
    return {stack: describe(cloud, environment.stack_name(stack)) for stack in environment.stacks}


def look_all(cloud: Cloud, notice: Callable[[str], None] | None = None) -> dict[str, Stack | None]:
    """Look at every stack as `describe_all` does, for what only looks: without another region, if need be.

    What is in a region other than the environment's own that does not answer is left out, and `notice` is
    told: when us-east-1 is lost, an environment elsewhere has to be looked at all the same.
    """
    environment = cloud.environment
    found: dict[str, Stack | None] = {}
    for stack in environment.stacks:
        name, region = environment.stack_name(stack), environment.region_of(stack)
        try:
            found[stack] = describe(cloud, name)
        except (ClientError, ConnectionError, HTTPClientError) as error:
            if region == environment.region or not _silent(error):
                raise
            if notice:
                notice(f"{region} does not answer, so {name} is left out: {error}")
    return found


def _silent(error: Exception) -> bool:
    """Whether a region does not answer; what it refuses is an answer."""
    if not isinstance(error, ClientError):
        return True
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500


@dataclass(frozen=True)
class Resource:
    """A resource that a stack has now."""

    logical_id: str
    type: str
    physical_id: str


def resources(cloud: Cloud, stack_id: str) -> list[Resource]:
    """List what a stack has: not what is still without a physical id, nor what goes or went."""
    cloud = cloud.of(stack_id)
    pages = cloud.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    return [
        Resource(item["LogicalResourceId"], item["ResourceType"], item["PhysicalResourceId"])
        for page in pages
        for item in page["StackResourceSummaries"]
        if item.get("PhysicalResourceId") and item["ResourceStatus"] not in _GONE
    ]


def of_type(found: Iterable[Resource], kind: str) -> list[str]:
    """Physical ids of the resources of one type."""
    return [resource.physical_id for resource in found if resource.type == kind]


def outputs(cloud: Cloud) -> dict[str, Mapping[str, str]]:
    """Outputs of the environment's complete stacks, by short stack name."""
    return {
        name: stack.outputs
        for name, stack in describe_all(cloud).items()
        if stack and stack.status in COMPLETE
    }


def url(known: Mapping[str, Mapping[str, str]]) -> str:
    """Find the service's URL among the outputs; an empty string where no stack gives one."""
    return next((found["Url"].rstrip("/") for found in known.values() if "Url" in found), "")


def wired(
    environment: Environment, stack: str, known: Mapping[str, Mapping[str, str]], image: str = ""
) -> dict[str, str]:
    """Return the values of a stack's parameters: the file's, else an earlier stack's output of that name.

    `known` holds the outputs of the stacks that exist; `image` is the value of the parameter Image. What is
    in neither is left to the template's default. Raises a ToolError when a value cannot be had yet.
    """
    values = dict(environment.parameters.get(stack, {}))
    earlier = environment.stacks[: environment.stacks.index(stack)]
    for name, parameter in environment.templates[stack].parameters.items():
        if name in values:
            continue
        if name == IMAGE_PARAMETER and image:
            values[name] = image
            continue
        # The latest stack wins, as it is the nearest.
        source = next((other for other in reversed(earlier) if name in known.get(other, {})), None)
        if source is not None:
            values[name] = known[source][name]
        elif parameter.default is None:
            raise ToolError(
                f"{environment.stack_name(stack)} needs {name}, and no stack gives it yet.",
                f"Create the stacks before it first: make create ENV={environment.name}",
            )
    return values


def outdated(
    environment: Environment, stack: str, have: Mapping[str, str], known: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Find parameters that come from an earlier stack's output which is another now; with that stack's name.

    `have` are the values that the stack, or a change set of it, has; `known` the outputs as they are.
    """
    found: dict[str, str] = {}
    earlier = environment.stacks[: environment.stacks.index(stack)]
    for name in have.keys() - environment.parameters[stack].keys():
        source = next((one for one in reversed(earlier) if name in known.get(one, {})), None)
        if source is not None and known[source][name] != have[name]:
            found[name] = source
    return dict(sorted(found.items()))


def check_rules(environment: Environment, known: Mapping[str, Mapping[str, str]]) -> None:
    """Evaluate the Rules of all templates; raise a usage ToolError that names what each broken one is about.

    `known` holds the outputs of the stacks that exist: what needs one of the others is left for later.
    """
    mistakes = Mistakes(environment.file)
    for stack, template in environment.templates.items():
        values = dict(environment.parameters[stack])
        earlier = environment.stacks[: environment.stacks.index(stack)]
        for name, parameter in template.parameters.items():
            to_come = any(name in environment.templates[one].outputs and one not in known for one in earlier)
            if name in values or to_come or name == IMAGE_PARAMETER:
                continue
            source = next((known[one] for one in reversed(earlier) if name in known.get(one, {})), {})
            value = source.get(name, parameter.default)
            if value is not None:
                values[name] = value
        for broken in rules.broken(template, values, environment.region_of(stack)):
            mistakes.add(f"[parameters.{stack}] {broken.about}", broken.description)
    mistakes.check()


def as_parameters(values: Mapping[str, str]) -> list[ParameterTypeDef]:
    """Turn values into the shape the API takes."""
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def acting_role(environment: Environment) -> _ActingRole:
    """Give the role that CloudFormation acts with, as the API takes it; nothing where it is the caller's."""
    return {"RoleARN": environment.role} if environment.role else {}


def delete(cloud: Cloud, stack: Stack) -> None:
    """Start deleting a stack."""
    cloud.of(stack.id).cloudformation.delete_stack(StackName=stack.id, **acting_role(cloud.environment))


def as_tags(environment: Environment) -> list[TagTypeDef]:
    """Turn the environment's tags into the shape the API takes."""
    return [{"Key": key, "Value": value} for key, value in environment.tags.items()]
