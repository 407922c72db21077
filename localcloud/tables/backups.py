"""Point-in-time recovery: which tables keep a journal, since when, and the API that says so."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

from localcloud import emulator, models
from localcloud.tables.journal import Item, Journal

Data = dict[str, Any]
Table = dict[str, Any]

#: How far back a table can be restored, unless it is told otherwise.
_DAYS = 35


class Backups:
    """The journals of all tables that have point-in-time recovery, in directories called by TableId."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._journals: dict[str, Journal] = {}

    def install(self) -> None:
        """Note every change of an item, and answer for continuous backups."""
        dynamodb = emulator.module("services.dynamodb")
        set_item, remove_item, dropped = (
            dynamodb._set_item, dynamodb._remove_item, dynamodb.drop_stream_records
        )  # fmt: skip

        def setting(table: Table, partition: str, sort: str, item: Item) -> Any:
            self._note(table, partition, sort)
            return set_item(table, partition, sort, item)

        def removing(table: Table, partition: str, sort: str) -> Any:
            self._note(table, partition, sort)
            return remove_item(table, partition, sort)

        def dropping(name: str, table: Table | None = None) -> None:
            # Whatever deletes a table calls this.
            if table is not None:
                dynamodb._pitr_settings.pop(name, None)
                dynamodb._ttl_settings.pop(name, None)
                dynamodb._tags.pop(table["TableArn"], None)
                self.end(table)
            dropped(name, table)

        dynamodb._set_item, dynamodb._remove_item = setting, removing
        dynamodb.drop_stream_records = dropping
        dynamodb._update_continuous_backups = self._update
        dynamodb._describe_continuous_backups = self._describe

    def _note(self, table: Table, partition: str, sort: str) -> None:
        journal = self._journals.get(table.get("TableId", ""))
        if journal is not None:
            journal.note((partition, sort), table["items"].get(partition, {}).get(sort))

    def open(self) -> None:
        """Go on with the journals of the tables that are there, and remove those of tables that are not."""
        dynamodb = emulator.module("services.dynamodb")
        for where, enabled in dynamodb._pitr_settings.all_items():
            table = dynamodb._tables.get_scoped(*where)
            if enabled and table is not None:
                self.begin(table)
        if self._directory.exists():
            for path in self._directory.iterdir():
                if path.name not in self._journals:
                    shutil.rmtree(path)

    def close(self) -> None:
        """Let go of every file."""
        for journal in self._journals.values():
            journal.close()
        self._journals.clear()

    def begin(self, table: Table) -> None:
        """Keep a table's journal from now on, or go on with it."""
        if table["TableId"] not in self._journals:
            self._journals[table["TableId"]] = Journal(self._directory / table["TableId"])

    def end(self, table: Table) -> None:
        """Forget a table's journal, if it has one."""
        if journal := self._journals.pop(table["TableId"], None):
            journal.delete()

    def earliest(self, name: str) -> float | None:
        """The first moment that a table of the request's region can be restored to; None: to none."""
        dynamodb = emulator.module("services.dynamodb")
        journal = self._journals.get(dynamodb._tables[name]["TableId"])
        if journal is None:
            return None
        days = recovery_period(dynamodb._pitr_settings.get(name))
        return max(journal.earliest(), float(math.floor(time.time() - days * 86400)))

    def items(self, table: Table, at: float) -> dict[str, dict[str, Item]]:
        """A table's items as they were at `at`, by partition and sort key."""
        found = {partition: dict(items) for partition, items in table["items"].items()}
        for (partition, sort), item in self._journals[table["TableId"]].before(at).items():
            if item is not None:
                found.setdefault(partition, {})[sort] = item
            elif partition in found:
                found[partition].pop(sort, None)
        return {partition: items for partition, items in found.items() if items}

    def _update(self, data: Data) -> Any:
        dynamodb = emulator.module("services.dynamodb")
        if why := models.problem("dynamodb", "UpdateContinuousBackups", data):
            return dynamodb.error_response_json("ValidationException", why, 400)
        name = dynamodb._normalize_table_name(data["TableName"])
        if name not in dynamodb._tables:
            return not_found(name)
        wanted = data["PointInTimeRecoverySpecification"]
        if wanted["PointInTimeRecoveryEnabled"]:
            self.begin(dynamodb._tables[name])
            dynamodb._pitr_settings[name] = wanted.get("RecoveryPeriodInDays") or _DAYS
        else:
            self.end(dynamodb._tables[name])
            dynamodb._pitr_settings[name] = False
        return self._describe(data)

    def _describe(self, data: Data) -> Any:
        dynamodb = emulator.module("services.dynamodb")
        name = dynamodb._normalize_table_name(data.get("TableName"))
        if name not in dynamodb._tables:
            return not_found(name)
        described: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
        if (earliest := self.earliest(name)) is not None:
            described = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": recovery_period(dynamodb._pitr_settings.get(name)),
                "EarliestRestorableDateTime": earliest,
                "LatestRestorableDateTime": latest(),
            }
        backups = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": described}
        return dynamodb.json_response({"ContinuousBackupsDescription": backups})


def latest() -> float:
    """The last moment that tables can be restored to: now, in milliseconds. AWS is some minutes behind."""
    return round(time.time(), 3)


def recovery_period(setting: Any) -> int:
    """The days of a table's setting, which was only yes or no once."""
    return _DAYS if setting is True or not setting else int(setting)


def not_found(name: Any) -> Any:
    """What DynamoDB's backups say of a table that is not there."""
    return emulator.module("services.dynamodb").error_response_json(
        "TableNotFoundException", f"Table not found: {name}", 400
    )
