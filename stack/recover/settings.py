"""What a restored table lacks: DynamoDB restores items, keys, indexes and encryption, no settings as here.

"You must manually set up the following on the restored table", says RestoreTableToPointInTime's reference: of
that list, what this project's tables have. Deletion protection is not on it, and set up as well.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.recover import table
from stack.recover.restoring import in_use
from stack.recover.table import Live

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# AWS gives such tags itself, and takes them from nobody else.
_RESERVED = "aws:"
# Continuous backups of a table that was just made have to become available first.
_BACKUP_SECONDS = 300.0


def carry_over(cloud: Cloud, live: Live, target: str) -> list[str]:
    """Give the restored table the settings that the live one has; return those it did not have, in words."""
    described = table.describe(live.dynamodb, target)
    if described is None:
        raise ToolError(f"The table {target} vanished after it was restored.", "Run the same command again.")
    done = [
        *_limits_and_protection(cloud, live, described),
        *_expiry(live, target),
        *_backups(live, target),
        *_tags(live, described["TableArn"]),
    ]
    in_use(cloud, live.dynamodb, target)
    return done


def _limits_and_protection(cloud: Cloud, live: Live, described: dict[str, Any]) -> list[str]:
    target = described["TableName"]
    found: list[str] = []
    limits = live.described.get("OnDemandThroughput")
    if limits and limits != described.get("OnDemandThroughput"):
        live.dynamodb.update_table(TableName=target, OnDemandThroughput=limits)
        in_use(cloud, live.dynamodb, target)
        found.append("limits of reads and writes")
    if live.described.get("DeletionProtectionEnabled") and not described.get("DeletionProtectionEnabled"):
        live.dynamodb.update_table(TableName=target, DeletionProtectionEnabled=True)
        in_use(cloud, live.dynamodb, target)
        found.append("deletion protection")
    return found


def expires_by(dynamodb: DynamoDBClient, name: str) -> str:
    """The attribute by which the table's items expire; "" for none."""
    found = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    is_on = found.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    return found.get("AttributeName", "") if is_on else ""


def _expiry(live: Live, target: str) -> list[str]:
    attribute = expires_by(live.dynamodb, live.name)
    if not attribute or expires_by(live.dynamodb, target) == attribute:
        return []
    live.dynamodb.update_time_to_live(
        TableName=target, TimeToLiveSpecification={"AttributeName": attribute, "Enabled": True}
    )
    return ["expiry of items (TTL)"]


def _backups(live: Live, target: str) -> list[str]:
    def point_in_time(name: str) -> Any:
        answer = live.dynamodb.describe_continuous_backups(TableName=name)
        return answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})

    if point_in_time(target).get("PointInTimeRecoveryStatus") in ("ENABLED", "ENABLING"):
        return []
    days = point_in_time(live.name).get("RecoveryPeriodInDays")
    wanted: Any = {"PointInTimeRecoveryEnabled": True, **({"RecoveryPeriodInDays": days} if days else {})}
    deadline = time.monotonic() + _BACKUP_SECONDS
    while True:
        try:
            live.dynamodb.update_continuous_backups(TableName=target, PointInTimeRecoverySpecification=wanted)
            return ["point-in-time recovery"]
        except live.dynamodb.exceptions.ContinuousBackupsUnavailableException:
            if time.monotonic() > deadline:
                raise
        time.sleep(2)


def _tags(live: Live, arn: str) -> list[str]:
    def of(resource: str) -> dict[str, str]:
        pages = live.dynamodb.get_paginator("list_tags_of_resource").paginate(ResourceArn=resource)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    have = of(arn)
    wanted = {
        key: value
        for key, value in of(live.arn).items()
        if not key.startswith(_RESERVED) and have.get(key) != value
    }
    if not wanted:
        return []
    live.dynamodb.tag_resource(
        ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in wanted.items()]
    )
    return ["tags"]
