"""DynamoDB tables, S3 buckets and secrets: properties and refusals that MiniStack leaves out."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


# --- tables ---


def _dynamodb() -> Any:
    return emulator.module("services.dynamodb")


def _without_encryption(properties: Properties) -> Properties:
    """MiniStack hands it to the API in the template's words."""
    return {key: value for key, value in properties.items() if key != "SSESpecification"}


def _settle(made: Made, old: Properties, new: Properties) -> Made:
    """Put what changed of the properties that have API calls, or members of UpdateTable, of their own."""
    dynamodb, name = _dynamodb(), made[0]

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
    return made


def _create_table(logical_id: str, properties: Properties, stack_name: str) -> Made:
    made = _cfn()._ddb_create(logical_id, _without_encryption(properties), stack_name)
    return _settle(made, {}, properties)


def _update_table(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    before, after = ({**_without_encryption(p), "TableName": physical_id} for p in (old, new))
    return _settle(_cfn()._ddb_update(physical_id, before, after, stack_name), old, new)


def _has_other_keys(old: Properties, new: Properties) -> bool:
    return any(old.get(key) != new.get(key) for key in ("KeySchema", "LocalSecondaryIndexes"))


def _delete_table(physical_id: str, properties: Properties) -> None:
    table = _dynamodb()._tables.get(physical_id)
    if table is not None and table.get("DeletionProtectionEnabled"):
        raise ValueError(
            f"Resource cannot be deleted as it is currently protected against deletion. Disable deletion "
            f"protection first. (table {physical_id})"
        )
    _cfn()._ddb_delete(physical_id, properties)


def _as_table(properties: Properties) -> Properties:
    """What a GlobalTable says of this region, in the words of a Table."""
    here = emulator.module("core.responses").get_region()
    of_here = [replica for replica in properties["Replicas"] if replica["Region"] == here]
    if len(of_here) != 1 or len(properties["Replicas"]) != 1:
        raise ValueError(f"the local cloud's tables have one replica, in {here}")
    (replica,) = of_here
    table = {
        key: value
        for key, value in properties.items()
        if key not in ("Replicas", "SSESpecification", "WriteOnDemandThroughputSettings")
    }
    for key in ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "TableClass", "Tags"):
        if key in replica:
            table[key] = replica[key]
    throughput = {
        **properties.get("WriteOnDemandThroughputSettings", {}),
        **replica.get("ReadOnDemandThroughputSettings", {}),
    }
    if throughput:
        table["OnDemandThroughput"] = throughput
    if "SSESpecification" in properties:
        table["SSESpecification"] = {**properties["SSESpecification"], **replica.get("SSESpecification", {})}
    return table


def _with_id(made: Made) -> Made:
    return made[0], {**made[1], "TableId": _dynamodb()._tables[made[0]]["TableId"]}


def _create_global_table(logical_id: str, properties: Properties, stack_name: str) -> Made:
    return _with_id(_create_table(logical_id, _as_table(properties), stack_name))


def _update_global_table(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    return _with_id(_update_table(physical_id, _as_table(old), _as_table(new), stack_name))


# --- buckets ---


def _named(made: Made) -> Made:
    region = emulator.module("core.responses").get_region()
    return made[0], {**made[1], "DualStackDomainName": f"{made[0]}.s3.dualstack.{region}.amazonaws.com"}


def _create_bucket(logical_id: str, properties: Properties, stack_name: str) -> Made:
    return _named(_cfn()._s3_create(logical_id, properties, stack_name))


def _update_bucket(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    return _named(_cfn()._s3_update(physical_id, old, new, stack_name))


def _delete_bucket(physical_id: str, properties: Properties) -> None:
    bucket = emulator.module("services.s3")._buckets.get(physical_id)
    if bucket is not None and bucket["objects"]:
        raise ValueError(f"The bucket you tried to delete is not empty: {physical_id}")
    _cfn()._s3_delete(physical_id, properties)


def _policy_of(handler: str) -> Any:
    def made(*arguments: Any) -> Made:
        made_id, attributes = getattr(_cfn(), handler)(*arguments)
        return str(made_id).removesuffix("-policy"), attributes

    return made


# --- secrets: `Ref` is the ARN, MiniStack's stores know them by name ---


def _secret_name(arn: str) -> str:
    for name, secret in emulator.module("services.secretsmanager")._secrets.items():
        if secret["ARN"] == arn:
            return str(name)
    return arn


def _create_secret(logical_id: str, properties: Properties, stack_name: str) -> Made:
    _, attributes = _cfn()._sm_secret_create(logical_id, properties, stack_name)
    return attributes["Id"], attributes


def _update_secret(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    name = _secret_name(physical_id)
    named = {"Name": name}
    _cfn()._sm_secret_update(name, {**old, **named}, {**new, **named}, stack_name)
    return physical_id, {"Id": physical_id, "Arn": physical_id}


def _delete_secret(physical_id: str, properties: Properties) -> None:
    _cfn()._sm_secret_delete(_secret_name(physical_id), properties)


PROVISIONERS = {
    "AWS::DynamoDB::GlobalTable": Provisioner(
        _create_global_table, _update_global_table, _delete_table, replaces=_has_other_keys
    ),
    "AWS::DynamoDB::Table": Provisioner(
        _create_table, _update_table, _delete_table, replaces=_has_other_keys
    ),
    "AWS::S3::Bucket": Provisioner(_create_bucket, _update_bucket, _delete_bucket),
    "AWS::S3::BucketPolicy": Provisioner(
        _policy_of("_s3_bucket_policy_create"), _policy_of("_s3_bucket_policy_update")
    ),
    "AWS::SecretsManager::Secret": Provisioner(_create_secret, _update_secret, _delete_secret),
}
