"""DynamoDB: continuous backups, restores to a point in time, and replicas in other regions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conformance.conftest import Account, delete, new_name

KEY = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
       "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}  # fmt: skip


def active(account: Account, table: str) -> bool:
    found = account.client("dynamodb").describe_table(TableName=table)["Table"]
    return bool(found["TableStatus"] == "ACTIVE")


@pytest.fixture
def table(account: Account, name: str, cleanup: ExitStack) -> str:
    """On demand and empty, it costs nothing."""
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **KEY)
    cleanup.callback(delete, dynamodb.delete_table, TableName=name)
    account.until(lambda: active(account, name))
    return name


def switch(account: Account, table: str, on: bool = True, **more: Any) -> dict[str, Any]:
    """Point-in-time recovery on or off; its description once it can be changed."""
    dynamodb = account.client("dynamodb")

    def switched() -> Any:
        try:
            return dynamodb.update_continuous_backups(
                TableName=table,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on, **more},
            )
        except dynamodb.exceptions.ContinuousBackupsUnavailableException:
            return None

    found: dict[str, Any] = account.until(switched)["ContinuousBackupsDescription"]
    assert found["ContinuousBackupsStatus"] == "ENABLED"
    described: dict[str, Any] = found["PointInTimeRecoveryDescription"]
    return described


def refusal(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def test_backups_are_off_at_first_and_tell_their_range(account: Account, table: str) -> None:
    dynamodb = account.client("dynamodb")
    found = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert found == {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
    }
    on = switch(account, table)
    assert (on["PointInTimeRecoveryStatus"], on["RecoveryPeriodInDays"]) == ("ENABLED", 35)
    assert on["EarliestRestorableDateTime"] <= on["LatestRestorableDateTime"]
    assert switch(account, table, RecoveryPeriodInDays=7)["RecoveryPeriodInDays"] == 7
    assert switch(account, table, on=False) == {"PointInTimeRecoveryStatus": "DISABLED"}


def test_a_restore_that_cannot_be(account: Account, table: str) -> None:
    dynamodb = account.client("dynamodb")
    restore, request = dynamodb.restore_table_to_point_in_time, {"TargetTableName": new_name()}
    latest = {**request, "UseLatestRestorableTime": True}
    assert refusal(restore, SourceTableName=new_name(), **latest) == "TableNotFoundException"
    assert refusal(restore, SourceTableName=table, **latest) == "PointInTimeRecoveryUnavailableException"
    switch(account, table)
    for offset in (timedelta(days=40), timedelta(days=-1)):
        when = datetime.now(UTC) - offset
        refused = refusal(restore, SourceTableName=table, **request, RestoreDateTime=when)
        assert refused == "InvalidRestoreTimeException"
    taken = {"TargetTableName": table, "UseLatestRestorableTime": True}
    assert refusal(restore, SourceTableName=table, **taken) == "TableAlreadyExistsException"


@pytest.mark.costly_on_aws("a restore takes some minutes, and is paid by the gigabyte")
def test_a_restored_table_is_being_created_first(account: Account, table: str, cleanup: ExitStack) -> None:
    dynamodb, target = account.client("dynamodb"), new_name()
    switch(account, table)
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}})
    made = dynamodb.restore_table_to_point_in_time(
        SourceTableName=table, TargetTableName=target, UseLatestRestorableTime=True
    )["TableDescription"]
    cleanup.callback(delete, dynamodb.delete_table, TableName=target)
    assert (made["TableStatus"], made["RestoreSummary"]["RestoreInProgress"]) == ("CREATING", True)
    assert refusal(dynamodb.delete_table, TableName=target) == "ResourceInUseException"
    account.until(lambda: active(account, target))
    found = dynamodb.describe_table(TableName=target)["Table"]
    assert found["RestoreSummary"]["RestoreInProgress"] is False
    assert found["RestoreSummary"]["SourceTableArn"].endswith(f":table/{table}")
    assert dynamodb.scan(TableName=target)["Items"] == [{"pk": {"S": "a"}}]
    backups = dynamodb.describe_continuous_backups(TableName=target)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"


@pytest.mark.costly_on_aws("replicas take minutes, and their writes are paid in both regions")
def test_a_replica_has_what_there_is_and_what_comes(account: Account, table: str, cleanup: ExitStack) -> None:
    here, away = account.client("dynamodb"), account.client("dynamodb", "us-west-2")
    here.put_item(TableName=table, Item={"pk": {"S": "before"}})
    own = [{"Create": {"RegionName": here.meta.region_name}}]
    assert refusal(here.update_table, TableName=table, ReplicaUpdates=own) == "ValidationException"
    here.update_table(
        TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    account.until(lambda: active(account, table))
    here.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": "us-west-2"}}])

    def states() -> list[tuple[str, str]]:
        found = here.describe_table(TableName=table)["Table"].get("Replicas", [])
        return [(each["RegionName"], each["ReplicaStatus"]) for each in found]

    cleanup.callback(account.until, lambda: not states())
    cleanup.callback(
        here.update_table, TableName=table, ReplicaUpdates=[{"Delete": {"RegionName": "us-west-2"}}]
    )
    account.until(lambda: states() == [("us-west-2", "ACTIVE")])
    found = away.describe_table(TableName=table)["Table"]
    assert found["GlobalTableVersion"] == "2019.11.21"
    assert found["TableArn"].split(":")[3] == "us-west-2"
    here.put_item(TableName=table, Item={"pk": {"S": "here"}})
    away.put_item(TableName=table, Item={"pk": {"S": "away"}})

    def both() -> bool:
        keys = [{item["pk"]["S"] for item in each.scan(TableName=table)["Items"]} for each in (here, away)]
        return keys == [{"before", "here", "away"}] * 2

    account.until(both)
    backups = away.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
