"""AWS::DynamoDB::GlobalTable: a table with replicas in other regions."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.resources import tables
from localcloud.resources.base import Made, Properties, Provisioner, call

#: What a template says of one replica, and a Table of itself, in the same words.
_OF_REPLICA = ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "TableClass", "Tags")


def _dynamodb() -> Any:
    return emulator.module("services.dynamodb")


def _responses() -> Any:
    return emulator.module("core.responses")


def _in(region: str) -> Any:
    """The account's other region, for what happens there."""
    return _responses().request_scope(_responses().get_account_id(), region)


def _replicas(properties: Properties) -> dict[str, Properties]:
    """What is said of each replica, by region. Raises ValueError for what cannot be."""
    here = _responses().get_region()
    regions = [replica["Region"] for replica in properties["Replicas"]]
    if len(set(regions)) < len(regions):
        raise ValueError("Replicas names a region twice")
    if here not in regions:
        raise ValueError(f"Replicas must have an entry for the region of the stack, {here}")
    if len(regions) > 1 and not properties.get("StreamSpecification"):
        raise ValueError("StreamSpecification is required for a table with more than one replica")
    return {replica["Region"]: replica for replica in properties["Replicas"]}


def _as_table(properties: Properties, region: str) -> Properties:
    """What a GlobalTable says of one region, in the words of a Table."""
    replica = _replicas(properties)[region]
    table = {
        key: value
        for key, value in properties.items()
        if key not in ("Replicas", "SSESpecification", "WriteOnDemandThroughputSettings")
    }
    table.update({key: replica[key] for key in _OF_REPLICA if key in replica})
    throughput = {
        **properties.get("WriteOnDemandThroughputSettings", {}),
        **replica.get("ReadOnDemandThroughputSettings", {}),
    }
    if throughput:
        table["OnDemandThroughput"] = throughput
    if "SSESpecification" in properties:
        table["SSESpecification"] = {**properties["SSESpecification"], **replica.get("SSESpecification", {})}
    return table


def _settle_replica(name: str, region: str, old: Properties, new: Properties) -> None:
    """Put what a template says of a replica in another region; everything else it has from the table."""
    with _in(region):
        before, after = old.get("Tags") or [], new.get("Tags") or []
        if before != after:
            _dynamodb()._tags[_dynamodb()._tables[name]["TableArn"]] = after
        # Time to live is one for all replicas.
        parts = [{k: v for k, v in each.items() if k != "TimeToLiveSpecification"} for each in (old, new)]
        tables.settle(name, *parts)
        protected = bool(new.get("DeletionProtectionEnabled"))
        request = {"TableName": name, "DeletionProtectionEnabled": protected}
        call("DynamoDb", _dynamodb()._update_table, request)


def _change(name: str, action: str, region: str) -> None:
    updates = [{action: {"RegionName": region}}]
    call("DynamoDb", _dynamodb()._update_table, {"TableName": name, "ReplicaUpdates": updates})


def _add(name: str, region: str, properties: Properties) -> None:
    _change(name, "Create", region)
    # It has its encryption, backups and limits from the table until it is told its own.
    _settle_replica(name, region, {}, _as_table(properties, region))


def _remove(name: str, region: str) -> None:
    with _in(region):
        tables.refuse_protected(name)
    _change(name, "Delete", region)


def _others(name: str) -> set[str]:
    """The other regions in which there is a replica."""
    group = _dynamodb()._replica_group(_dynamodb()._tables[name])
    return {str(region) for region in group} - {_responses().get_region()}


def _made(name: str) -> Made:
    table = _dynamodb()._tables[name]
    attributes = {"Arn": table["TableArn"], "TableId": table["TableId"]}
    if (table.get("StreamSpecification") or {}).get("StreamEnabled"):
        attributes["StreamArn"] = table["LatestStreamArn"]
    return name, attributes


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    here = _responses().get_region()
    name, _ = tables.create(logical_id, _as_table(properties, here), stack_name)
    try:
        for region in _replicas(properties).keys() - {here}:
            _add(name, region, properties)
    except ValueError:
        for region in _others(name):
            _change(name, "Delete", region)
        request = {"TableName": name, "DeletionProtectionEnabled": False}
        call("DynamoDb", _dynamodb()._update_table, request)
        tables.delete(name, {})
        raise
    return _made(name)


def _update(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    here, before, after = _responses().get_region(), _replicas(old), _replicas(new)
    if len(before.keys() ^ after.keys()) > 1:
        raise ValueError("Only a single replica can be added or removed in each update")
    if old.get("StreamSpecification") != new.get("StreamSpecification") and min(len(before), len(after)) > 1:
        raise ValueError("StreamSpecification can be changed only while there is a single replica")
    # By what there is: a rollback has to do with an update that did not come so far.
    there = _others(physical_id)
    for region in there - after.keys():
        _remove(physical_id, region)
    tables.update(physical_id, _as_table(old, here), _as_table(new, here), stack_name)
    for region in after.keys() - there - {here}:
        _add(physical_id, region, new)
    for region in after.keys() & there & before.keys():
        _settle_replica(physical_id, region, _as_table(old, region), _as_table(new, region))
    return _made(physical_id)


def _delete(physical_id: str, properties: Properties) -> None:
    if physical_id in _dynamodb()._tables:
        tables.refuse_protected(physical_id)
        for region in _others(physical_id):
            _remove(physical_id, region)
    tables.delete(physical_id, properties)


# --- drift ---


def _read(physical_id: str, properties: Properties) -> Properties | None:
    """What there is of the properties that a template has, None when the table is gone."""
    dynamodb = _dynamodb()
    table = dynamodb._tables.get(physical_id)
    if table is None:
        return None
    said = {replica["Region"]: replica for replica in properties.get("Replicas") or []}
    # In the template's order, those that it does not know at the end.
    there = {*_others(physical_id), _responses().get_region()}
    regions = [*(region for region in said if region in there), *sorted(there - said.keys())]
    live = dynamodb._ttl_settings.get(physical_id) or {}
    found = {
        "BillingMode": table["BillingModeSummary"]["BillingMode"],
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "Replicas": [_read_replica(physical_id, region, said.get(region, {})) for region in regions],
    }
    if live.get("TimeToLiveStatus") == "ENABLED":
        found["TimeToLiveSpecification"] = {"AttributeName": live["AttributeName"], "Enabled": True}
    if kind := (table.get("StreamSpecification") or {}).get("StreamViewType"):
        found["StreamSpecification"] = {"StreamViewType": kind}
    return found


def _read_replica(name: str, region: str, said: Properties) -> Properties:
    with _in(region):
        table = _dynamodb()._tables[name]
        limits, encryption = table.get("OnDemandThroughput") or {}, table.get("SSEDescription") or {}
        found = {
            "Region": region,
            "DeletionProtectionEnabled": bool(table.get("DeletionProtectionEnabled")),
            "PointInTimeRecoverySpecification": {
                **said.get("PointInTimeRecoverySpecification", {}),
                "PointInTimeRecoveryEnabled": bool(_dynamodb()._pitr_settings.get(name)),
            },
            "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": limits.get("MaxReadRequestUnits", -1)},
            "SSESpecification": {"KMSMasterKeyId": encryption.get("KMSMasterKeyArn", "")},
        }
    return {key: value for key, value in found.items() if key == "Region" or key in said}


def install() -> None:
    """Have drift detection compare these tables, which MiniStack does not."""
    emulator.module("services.cloudformation.drift")._DRIFT_READERS["AWS::DynamoDB::GlobalTable"] = (
        _read,
        frozenset({"BillingMode", "KeySchema", "AttributeDefinitions", "Replicas", "StreamSpecification",
                   "TimeToLiveSpecification"}),
    )  # fmt: skip


PROVISIONERS = {
    "AWS::DynamoDB::GlobalTable": Provisioner(_create, _update, _delete, replaces=tables.has_other_keys)
}
