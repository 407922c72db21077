"""Restores of tables to a point in time, which take a moment as on AWS."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from localcloud import emulator, models
from localcloud.tables.backups import Backups, Data, latest, not_found

#: How long a restored table is being created.
_CREATING_SECONDS = 1.0

#: Account, region and name.
Where = tuple[str, str, str]


class Restores:
    """Answers RestoreTableToPointInTime, and refuses requests to tables that are not restored yet."""

    def __init__(self, backups: Backups, changed: Callable[[], None]) -> None:
        self._backups, self._changed = backups, changed
        self._under_way: dict[Where, asyncio.TimerHandle] = {}

    def install(self) -> None:
        """Take the place of MiniStack's restore, which copies what there is now."""
        dynamodb = emulator.module("services.dynamodb")
        describe, handle = dynamodb._table_description, dynamodb.handle_request

        def describing(name: str) -> dict[str, Any]:
            summary = dynamodb._tables[name].get("RestoreSummary")
            return {**describe(name), **({"RestoreSummary": summary} if summary else {})}

        async def handling(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            if self._under_way and (refused := self._refused(headers, body)):
                return refused
            return await handle(method, path, headers, body, query)

        dynamodb._table_description, dynamodb.handle_request = describing, handling
        dynamodb._restore_table_to_point_in_time = self._restore

    def finish(self) -> None:
        """End what was under way when the process ended."""
        for table in emulator.module("services.dynamodb")._tables.all_values():
            if (table.get("RestoreSummary") or {}).get("RestoreInProgress"):
                _ready(table)

    def stop(self) -> None:
        """Leave what is under way to the next start."""
        for timer in self._under_way.values():
            timer.cancel()
        self._under_way.clear()

    def _restore(self, data: Data) -> Any:
        dynamodb = emulator.module("services.dynamodb")
        refused = dynamodb.error_response_json
        source_name = dynamodb._normalize_table_name(
            data.get("SourceTableArn") or data.get("SourceTableName")
        )
        if why := _problem(data):
            return refused("ValidationException", why, 400)
        if source_name not in dynamodb._tables:
            return not_found(source_name)
        target = data["TargetTableName"]
        if _where(target) in self._under_way:
            return refused("TableInUseException", f"Table is being created: {target}", 400)
        if target in dynamodb._tables:
            return refused("TableAlreadyExistsException", f"Table already exists: {target}", 400)
        source, first, last = dynamodb._tables[source_name], self._backups.earliest(source_name), latest()
        if first is None:
            return refused(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table '{source_name}'", 400,
            )  # fmt: skip
        at = last if data.get("UseLatestRestorableTime") else float(data["RestoreDateTime"])
        if not first <= at <= last:
            return refused(
                "InvalidRestoreTimeException",
                "An invalid restore time was specified. RestoreDateTime must be between "
                f"EarliestRestorableDateTime ({first:.0f}) and LatestRestorableDateTime ({last:.0f})", 400,
            )  # fmt: skip
        answer = dynamodb._create_table(_request(source, data))
        if answer[0] != 200:
            return answer
        table = dynamodb._tables[target]
        table["items"] = defaultdict(dict, self._backups.items(source, at))
        dynamodb._items_replaced(table)
        table["TableStatus"] = "CREATING"
        table["RestoreSummary"] = {
            "SourceTableArn": source["TableArn"], "RestoreDateTime": at, "RestoreInProgress": True,
        }  # fmt: skip
        self._end_later(_where(target))
        return dynamodb.json_response({"TableDescription": dynamodb._table_description(target)})

    def _end_later(self, where: Where) -> None:
        def end() -> None:
            del self._under_way[where]
            if table := emulator.module("services.dynamodb")._tables.get_scoped(*where):
                _ready(table)
            self._changed()

        self._under_way[where] = asyncio.get_running_loop().call_later(_CREATING_SECONDS, end)

    def _refused(self, headers: Any, body: bytes) -> Any:
        """What a request is told that names a table that is not restored yet; None: it names none."""
        action = str(headers.get("x-amz-target", "")).rpartition(".")[2]
        if action.startswith(("Describe", "List", "Restore")):
            return None
        dynamodb = emulator.module("services.dynamodb")
        try:
            names = list(_tables_of(json.loads(body)))
        except (ValueError, AttributeError):
            return None  # MiniStack says what is wrong with it
        for name in map(dynamodb._normalize_table_name, names):
            if _where(name) not in self._under_way:
                continue
            if action.endswith("ContinuousBackups"):
                return dynamodb.error_response_json(
                    "ContinuousBackupsUnavailableException",
                    f"Backups are being enabled for the table: {name}. Please retry later", 400,
                )  # fmt: skip
            if action.endswith(("Table", "TimeToLive", "Resource")):
                return dynamodb.error_response_json(
                    "ResourceInUseException",
                    "Attempt to change a resource which is still in use: Table is being created: "
                    f"{name}", 400,
                )  # fmt: skip
            return dynamodb.error_response_json(
                "ResourceNotFoundException", "Requested resource not found", 400
            )
        return None


def _where(name: Any) -> Where:
    responses = emulator.module("core.responses")
    return responses.get_account_id(), responses.get_region(), str(name)


def _ready(table: dict[str, Any]) -> None:
    table["TableStatus"] = "ACTIVE"
    table["RestoreSummary"]["RestoreInProgress"] = False


def _problem(data: Data) -> str | None:
    """Why a request is not one, None when it is."""
    if why := models.problem("dynamodb", "RestoreTableToPointInTime", data):
        return why
    if bool(data.get("SourceTableArn")) == bool(data.get("SourceTableName")):
        return "One or more parameter values were invalid: give either SourceTableArn or SourceTableName"
    if bool(data.get("UseLatestRestorableTime")) == ("RestoreDateTime" in data):
        return (
            "One or more parameter values were invalid: give either RestoreDateTime or "
            "UseLatestRestorableTime"
        )
    return None


def _request(source: dict[str, Any], data: Data) -> Data:
    """CreateTable's request for the new table: keys, indexes, capacity and encryption of the source now."""
    dynamodb = emulator.module("services.dynamodb")
    throughput = data.get("ProvisionedThroughputOverride") or {
        name: source["ProvisionedThroughput"][name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")
    }
    request: Data = dynamodb._restore_create_request(
        data["TargetTableName"], source["KeySchema"], source["AttributeDefinitions"],
        data.get("BillingModeOverride") or source["BillingModeSummary"]["BillingMode"], throughput, data,
        source.get("GlobalSecondaryIndexes"), source.get("LocalSecondaryIndexes"),
        [dynamodb._vector_index_info(index) for index in source.get("VectorIndexes") or []],
    )  # fmt: skip
    if encryption := data.get("SSESpecificationOverride") or _encryption(source):
        request["SSESpecification"] = encryption
    if limits := data.get("OnDemandThroughputOverride"):
        request["OnDemandThroughput"] = limits
    return request


def _encryption(source: dict[str, Any]) -> Data | None:
    described = source.get("SSEDescription") or {}
    if described.get("Status") != "ENABLED":
        return None
    return {"Enabled": True, "SSEType": described["SSEType"], "KMSMasterKeyId": described["KMSMasterKeyArn"]}


def _tables_of(data: Data) -> Iterator[Any]:
    """The tables that a request names."""
    if data.get("ResourceArn"):
        yield data["ResourceArn"]
    if "TableName" in data:
        yield data["TableName"]
    yield from data.get("RequestItems") or {}
    for item in data.get("TransactItems") or []:
        yield from (operation["TableName"] for operation in item.values())
