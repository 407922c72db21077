"""The table that an environment uses, how far back it can be restored, and the name of a restored one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import refused
from stack.recover.moment import Window

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OUTPUT = "TableName"
# The longest name of a table.
_LONGEST = 255
_RESTORED = re.compile(r"-at-\d{8}T\d{6}Z$")
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Live:
    """The table in use: which stack names it, as what it has it (or ""), and DescribeTable's answer."""

    dynamodb: DynamoDBClient
    stack: str
    logical_id: str
    name: str
    described: Mapping[str, Any]

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self.described["TableArn"])

    @property
    def replicas(self) -> list[str]:
        """The other regions that it is replicated to."""
        own = self.arn.split(":")[3]
        found = (one["RegionName"] for one in self.described.get("Replicas", []))
        return sorted(region for region in found if region != own)


def find(cloud: Cloud) -> Live:
    """Find the environment's table. Raises a ToolError (refused) where it has none."""
    name = cloud.environment.name
    there = {short: stack for short, stack in stacks.describe_all(cloud).items() if stack}
    if not there:
        raise refused(f"{name} does not exist.", f"Create it: make create ENV={name}")
    found = next(((short, stack) for short, stack in there.items() if OUTPUT in stack.outputs), None)
    if found is None:
        raise refused(
            f"{name} has no table: none of its stacks has the output {OUTPUT}.",
            f"See what it has: make outputs ENV={name}",
        )
    short, stack = found
    table = stack.outputs[OUTPUT]
    dynamodb: DynamoDBClient = cloud.of(stack.id).cached("dynamodb")
    described = describe(dynamodb, table)
    if described is None:
        raise refused(
            f"The table {table} is gone. Nothing was done.",
            "A deleted table leaves a system backup for 35 days: see docs/operations.md, Disaster recovery.",
        )
    own = (one.logical_id for one in stacks.resources(cloud, stack.id) if one.physical_id == table)
    return Live(dynamodb, short, next(own, ""), table, described)


def describe(dynamodb: DynamoDBClient, name: str) -> dict[str, Any] | None:
    """DescribeTable's answer; None where there is no such table."""
    try:
        return dict(dynamodb.describe_table(TableName=name)["Table"])
    except dynamodb.exceptions.ResourceNotFoundException:
        return None


def window(cloud: Cloud, live: Live) -> Window:
    """How far back the table can be restored. Raises a ToolError (refused) without continuous backups."""
    answer = live.dynamodb.describe_continuous_backups(TableName=live.name)
    point_in_time = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    earliest = point_in_time.get("EarliestRestorableDateTime")
    latest = point_in_time.get("LatestRestorableDateTime")
    if point_in_time.get("PointInTimeRecoveryStatus") != "ENABLED" or not earliest or not latest:
        raise refused(
            f"{live.name} has no continuous backups (point-in-time recovery). Nothing was done.",
            f'They are kept from when they are on: PointInTimeRecovery = "true" in '
            f"[parameters.{live.stack}] of {cloud.environment.file}.",
        )
    return Window(earliest, latest)


def beginning(name: str) -> str:
    """How the names of tables begin that are restored from this one, or from what this one was restored from.

    It begins as the table's own, as roles are bounded by that.
    """
    return f"{_RESTORED.sub('', name)[: _LONGEST - len('-at-20261121T093000Z')]}-at-"


def name_at(name: str, moment: datetime) -> str:
    """The name of the table restored from this one, the same each time for the same moment."""
    return f"{beginning(name)}{moment.astimezone(UTC):{_STAMP}}"


def moment_of(name: str) -> datetime:
    """The moment in the name of a restored table."""
    return datetime.strptime(name.rpartition("-at-")[2], _STAMP).replace(tzinfo=UTC)
