"""Tables restored to a point in time: as they were then, with AWS's refusals, and after a restart."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

Until = Callable[..., None]


def make_table(dynamodb: Any, backups: bool = True) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"},
        ],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "key-of-the-source"},
    )  # fmt: skip
    if backups:
        switch(dynamodb, name, on=True)
    return name


def switch(dynamodb: Any, name: str, on: bool, **more: Any) -> Any:
    specification = {"PointInTimeRecoveryEnabled": on, **more}
    return dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification=specification
    )["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]  # fmt: skip


def put(dynamodb: Any, name: str, pk: str, value: str) -> None:
    dynamodb.put_item(TableName=name, Item={"pk": {"S": pk}, "sk": {"N": "1"}, "value": {"S": value}})


def values(dynamodb: Any, name: str) -> dict[str, str]:
    return {item["pk"]["S"]: item["value"]["S"] for item in dynamodb.scan(TableName=name)["Items"]}


def next_second() -> datetime:
    """A whole second between what was written before the call, and after it."""
    at = int(time.time()) + 1
    while time.time() <= at:
        time.sleep(0.01)
    return datetime.fromtimestamp(at, UTC)


def restored(dynamodb: Any, source: str, until: Until, at: datetime | None = None) -> str:
    target = f"{source}-{uuid.uuid4().hex[:8]}"
    when: dict[str, Any] = {"RestoreDateTime": at} if at else {"UseLatestRestorableTime": True}
    dynamodb.restore_table_to_point_in_time(SourceTableName=source, TargetTableName=target, **when)
    until(lambda: dynamodb.describe_table(TableName=target)["Table"]["TableStatus"] == "ACTIVE")
    return target


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_a_restored_table_is_what_the_table_was(shared_cloud: Any, until: Until) -> None:
    dynamodb = shared_cloud.client("dynamodb")
    name = make_table(dynamodb)
    put(dynamodb, name, "stays", "1")
    put(dynamodb, name, "changes", "old")
    put(dynamodb, name, "goes", "1")
    before = next_second()
    put(dynamodb, name, "changes", "newer")
    dynamodb.delete_item(TableName=name, Key={"pk": {"S": "goes"}, "sk": {"N": "1"}})
    between = next_second()
    dynamodb.update_item(
        TableName=name, Key={"pk": {"S": "changes"}, "sk": {"N": "1"}}, UpdateExpression="SET #v = :v",
        ExpressionAttributeNames={"#v": "value"}, ExpressionAttributeValues={":v": {"S": "newest"}},
    )  # fmt: skip
    batch = {"pk": {"S": "comes"}, "sk": {"N": "1"}, "value": {"S": "1"}}
    dynamodb.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": batch}}]})
    put(dynamodb, name, "goes", "again")
    now = {"stays": "1", "changes": "newest", "comes": "1", "goes": "again"}
    assert values(dynamodb, restored(dynamodb, name, until, before)) == {
        "stays": "1", "changes": "old", "goes": "1",
    }  # fmt: skip
    assert values(dynamodb, restored(dynamodb, name, until, between)) == {"stays": "1", "changes": "newer"}
    assert values(dynamodb, restored(dynamodb, name, until)) == now
    assert values(dynamodb, name) == now


def test_a_transaction_is_undone_whole(shared_cloud: Any, until: Until) -> None:
    dynamodb = shared_cloud.client("dynamodb")
    name = make_table(dynamodb)
    put(dynamodb, name, "a", "1")
    before = next_second()
    item = {"pk": {"S": "b"}, "sk": {"N": "1"}, "value": {"S": "2"}}
    dynamodb.transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": name, "Key": {"pk": {"S": "a"}, "sk": {"N": "1"}}}},
            {"Put": {"TableName": name, "Item": item}},
        ]
    )
    assert values(dynamodb, name) == {"b": "2"}
    assert values(dynamodb, restored(dynamodb, name, until, before)) == {"a": "1"}


def test_what_is_carried_over_and_what_is_not(shared_cloud: Any, until: Until) -> None:
    dynamodb = shared_cloud.client("dynamodb")
    name = make_table(dynamodb)
    source = dynamodb.describe_table(TableName=name)["Table"]
    dynamodb.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"AttributeName": "ends", "Enabled": True}
    )
    dynamodb.tag_resource(ResourceArn=source["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
    target = restored(dynamodb, name, until)
    found = dynamodb.describe_table(TableName=target)["Table"]
    for kept in ("KeySchema", "AttributeDefinitions", "BillingModeSummary", "SSEDescription"):
        assert found[kept] == source[kept], kept
    assert found["TableId"] != source["TableId"]
    assert found["DeletionProtectionEnabled"] is False
    assert dynamodb.describe_time_to_live(TableName=target)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "DISABLED"
    }
    assert dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"] == []
    backups = dynamodb.describe_continuous_backups(TableName=target)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"] == {"PointInTimeRecoveryStatus": "DISABLED"}
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)


def test_a_restored_table_takes_a_moment(shared_cloud: Any, until: Until) -> None:
    dynamodb = shared_cloud.client("dynamodb")
    name, target = make_table(dynamodb), f"t-{uuid.uuid4().hex[:8]}"
    put(dynamodb, name, "a", "1")
    at = next_second()
    told = dynamodb.restore_table_to_point_in_time(
        SourceTableArn=dynamodb.describe_table(TableName=name)["Table"]["TableArn"],
        TargetTableName=target, RestoreDateTime=at,
    )["TableDescription"]  # fmt: skip
    assert told["TableStatus"] == "CREATING"
    assert told["RestoreSummary"]["RestoreInProgress"] is True
    assert code(lambda: dynamodb.scan(TableName=target)) == "ResourceNotFoundException"
    assert code(lambda: dynamodb.delete_table(TableName=target)) == "ResourceInUseException"
    assert code(lambda: switch(dynamodb, target, on=True)) == "ContinuousBackupsUnavailableException"
    assert code(lambda: dynamodb.restore_table_to_point_in_time(
        SourceTableName=name, TargetTableName=target, UseLatestRestorableTime=True
    )) == "TableInUseException"  # fmt: skip
    until(lambda: dynamodb.describe_table(TableName=target)["Table"]["TableStatus"] == "ACTIVE")
    summary = dynamodb.describe_table(TableName=target)["Table"]["RestoreSummary"]
    assert summary["SourceTableArn"].endswith(f"table/{name}")
    assert summary["RestoreDateTime"] == at
    assert summary["RestoreInProgress"] is False
    assert values(dynamodb, target) == {"a": "1"}
    assert code(lambda: dynamodb.restore_table_to_point_in_time(
        SourceTableName=name, TargetTableName=target, UseLatestRestorableTime=True
    )) == "TableAlreadyExistsException"  # fmt: skip


def test_times_and_tables_that_cannot_be_restored(shared_cloud: Any) -> None:
    dynamodb = shared_cloud.client("dynamodb")

    def restore(source: str, **when: Any) -> str:
        return code(lambda: dynamodb.restore_table_to_point_in_time(
            SourceTableName=source, TargetTableName=f"{source}-new", **when
        ))  # fmt: skip

    name, latest = make_table(dynamodb, backups=False), {"UseLatestRestorableTime": True}
    assert restore("nobodys-table", **latest) == "TableNotFoundException"
    assert restore(name, **latest) == "PointInTimeRecoveryUnavailableException"
    began = time.time()
    told = switch(dynamodb, name, on=True)
    assert told["RecoveryPeriodInDays"] == 35
    assert int(began) <= told["EarliestRestorableDateTime"].timestamp() <= time.time()
    assert began - 0.001 <= told["LatestRestorableDateTime"].timestamp() <= time.time()
    now = datetime.now(UTC)
    assert restore(name, RestoreDateTime=now - timedelta(hours=1)) == "InvalidRestoreTimeException"
    assert restore(name, RestoreDateTime=now + timedelta(hours=1)) == "InvalidRestoreTimeException"
    assert restore(name, RestoreDateTime=now, **latest) == "ValidationException"
    assert restore(name) == "ValidationException"
    assert code(lambda: switch(dynamodb, name, on=True, RecoveryPeriodInDays=36)) == "ValidationException"
    assert switch(dynamodb, name, on=True, RecoveryPeriodInDays=3)["RecoveryPeriodInDays"] == 3
    next_second()
    switch(dynamodb, name, on=False)
    again = switch(dynamodb, name, on=True)
    assert again["EarliestRestorableDateTime"] > told["EarliestRestorableDateTime"], "it begins anew"


def test_a_deleted_table_leaves_no_journal(shared_cloud: Any) -> None:
    dynamodb = shared_cloud.client("dynamodb")
    name = make_table(dynamodb)
    journal = Path(shared_cloud.state_dir) / "dynamodb" / table_id(dynamodb, name)
    assert journal.is_dir()
    dynamodb.delete_table(TableName=name)
    assert not journal.exists()


def table_id(dynamodb: Any, name: str) -> str:
    return str(dynamodb.describe_table(TableName=name)["Table"]["TableId"])


def test_restores_survive_a_process_that_was_killed(own_cloud: Any, until: Until) -> None:
    own_cloud.run("up")
    dynamodb = own_cloud.client("dynamodb")
    name = make_table(dynamodb)
    put(dynamodb, name, "a", "old")
    before = next_second()
    put(dynamodb, name, "a", "new")
    pid = own_cloud.pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split())
    own_cloud.run("up")
    put(dynamodb, name, "a", "newer")
    assert values(dynamodb, restored(dynamodb, name, until, before)) == {"a": "old"}
    target = f"{name}-interrupted"
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=name, TargetTableName=target, UseLatestRestorableTime=True
    )
    own_cloud.run("down")
    own_cloud.run("up")
    assert dynamodb.describe_table(TableName=target)["Table"]["TableStatus"] == "ACTIVE"
    assert values(dynamodb, target) == {"a": "newer"}
