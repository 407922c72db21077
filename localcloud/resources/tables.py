"""DynamoDB tables: properties and refusals that MiniStack leaves out."""

from __future__ import annotations

import secrets
from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def _dynamodb() -> Any:
    return emulator.module("services.dynamodb")


def _without_encryption(properties: Properties) -> Properties:
    """MiniStack hands it to the API in the template's words."""
    return {key: value for key, value in properties.items() if key != "SSESpecification"}


def settle(name: str, old: Properties, new: Properties) -> None:
    """Put what changed of the properties that have API calls, or members of UpdateTable, of their own.

    For the table of that name in the request's region.
    """
    dynamodb = _dynamodb()

    def changed(key: str) -> bool:
        return bool(new.get(key) != old.get(key))

    request: dict[str, Any] = {}
    if changed("SSESpecification"):
        given = new.get("SSESpecification") or {}
        request["SSESpecification"] = {
            "Enabled": bool(given.get("SSEEnabled")),
            **{key: given[key] for key in ("SSEType", "KMSMasterKeyId") if key in given},
        }
    if changed("OnDemandThroughput"):
        given = new.get("OnDemandThroughput") or {}
        # -1 takes a limit away.
        request["OnDemandThroughput"] = {
            key: given.get(key, -1) for key in ("MaxReadRequestUnits", "MaxWriteRequestUnits")
        }
    if request:
        call("DynamoDb", dynamodb._update_table, {"TableName": name, **request})
    for key in ("TableClass", "WarmThroughput", "ContributorInsightsSpecification"):
        if changed(key):
            raise ValueError(f"the local cloud's tables have no {key}")
    if changed("PointInTimeRecoverySpecification"):
        given = new.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
        backups = {"TableName": name, "PointInTimeRecoverySpecification": given}
        call("DynamoDb", dynamodb._update_continuous_backups, backups)
    if changed("TimeToLiveSpecification"):
        given = new.get("TimeToLiveSpecification") or {
            "AttributeName": old["TimeToLiveSpecification"]["AttributeName"], "Enabled": False
        }  # fmt: skip
        call("DynamoDb", dynamodb._update_ttl, {"TableName": name, "TimeToLiveSpecification": given})


def create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    """Make a table. Raises ValueError where there is one of the name that it is given."""
    name = properties.get("TableName") or _free_name(logical_id, stack_name)
    if name in _dynamodb()._tables:
        raise ValueError(f"Table already exists: {name}")
    named = {**_without_encryption(properties), "TableName": name}
    made: Made = _cfn()._ddb_create(logical_id, named, stack_name)
    settle(made[0], {}, properties)
    return made


def _free_name(logical_id: str, stack_name: str) -> str:
    """A generated name, and never that of a table which a deleted stack has retained."""
    name = str(_cfn()._physical_name(stack_name, logical_id, max_len=255))
    while name in _dynamodb()._tables:
        name = f"{name.rpartition('-')[0]}-{secrets.token_hex(6).upper()}"
    return name


def update(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    """Change a table."""
    before, after = ({**_without_encryption(p), "TableName": physical_id} for p in (old, new))
    made: Made = _cfn()._ddb_update(physical_id, before, after, stack_name)
    settle(physical_id, old, new)
    return made


def has_other_keys(old: Properties, new: Properties) -> bool:
    """Whether a change makes another table."""
    return any(old.get(key) != new.get(key) for key in ("KeySchema", "LocalSecondaryIndexes"))


def refuse_protected(name: str) -> None:
    """Raise ValueError for a table of the request's region that is protected against deletion."""
    table = _dynamodb()._tables.get(name)
    if table is not None and table.get("DeletionProtectionEnabled"):
        raise ValueError(
            f"Resource cannot be deleted as it is currently protected against deletion. Disable deletion "
            f"protection first. (table {name})"
        )


def delete(physical_id: str, properties: Properties) -> None:
    """Delete a table that is not protected."""
    refuse_protected(physical_id)
    _cfn()._ddb_delete(physical_id, properties)


PROVISIONERS = {"AWS::DynamoDB::Table": Provisioner(create, update, delete, replaces=has_other_keys)}
