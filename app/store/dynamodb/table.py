"""The table: reads, writes and transactions, with DynamoDB's errors as the store's."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.store.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    Write = TransactWriteItemTypeDef
else:
    Write = dict

Item = dict[str, Any]

# How often a transaction is tried that collides with another, or that read what then changed.
TRIES = 10
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


def key(pk: str, sk: str) -> Item:
    """The primary key of an item."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def number(item: Item, name: str) -> int | None:
    """The number attribute `name`, or None without one."""
    return int(item[name]["N"]) if name in item else None


def encode(values: dict[str, str | int | None]) -> Item:
    """Attributes of `values`; those that are None are left out."""
    return {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in values.items()
        if value is not None
    }


def pause(attempt: int) -> None:
    """Wait a moment before another attempt, so that those who collided do not do so again."""
    time.sleep(random.uniform(0, min(0.02 * 2**attempt, 0.25)))  # noqa: S311 - not a secret


class Table:
    """An existing table; `timeout` seconds to connect, again to answer; two attempts."""

    def __init__(self, table: str, timeout: float) -> None:
        self._table = table
        try:
            self._client: DynamoDBClient = boto3.client(
                "dynamodb",
                # What every other AWS SDK reads first, and boto3 not at all; without it, boto3's own ways.
                region_name=os.environ.get("AWS_REGION") or None,
                config=Config(
                    connect_timeout=timeout,
                    read_timeout=timeout,
                    retries={"mode": "standard", "total_max_attempts": 2},
                    max_pool_connections=16,
                    tcp_keepalive=True,
                ),
            )
        except (BotoCoreError, ValueError) as error:  # no region, no such profile, a malformed endpoint
            raise StoreUnavailable(f"cannot use DynamoDB: {error}") from error

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"DynamoDB table {self._table}: {error}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error

    def _get(self, at: Item) -> Item | None:
        """The item, as of now.

        A consistent read: an eventually consistent one could answer "unknown" for a token made a moment ago,
        and that refusal would then be cached.
        """
        with self._errors():
            return self._client.get_item(TableName=self._table, Key=at, ConsistentRead=True).get("Item")

    def _query(self, pk: str, sk: str = "") -> list[Item]:
        """The items with partition key `pk` whose sort key starts with `sk`."""
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if sk:
            condition, values = f"{condition} AND begins_with(sk, :sk)", values | {":sk": {"S": sk}}
        items: list[Item] = []
        with self._errors():
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=values,
                ConsistentRead=True,
            )
            for page in pages:
                items += page["Items"]
        return items

    def _put(self, item: Item, condition: str = "attribute_not_exists(pk)", **values: str | int) -> Write:
        """A write for `_transact`. In conditions `:name` stands for the value of that name."""
        put: Item = {"TableName": self._table, "Item": item, "ConditionExpression": condition}
        if values:
            put["ExpressionAttributeValues"] = {f":{k}": v for k, v in encode({**values}).items()}
        return {"Put": put}  # type: ignore[typeddict-item]  # built up member by member

    def _update(
        self, at: Item, update: str, condition: str = "attribute_exists(pk)", **values: object
    ) -> Write:
        """A write for `_transact`; values may be ready attribute values too."""
        change: Item = {
            "TableName": self._table,
            "Key": at,
            "UpdateExpression": update,
            "ConditionExpression": condition,
        }
        if values:
            change["ExpressionAttributeValues"] = {
                f":{k}": v if isinstance(v, dict) else encode({k: v})[k]  # type: ignore[dict-item]  # what is a dict is ready
                for k, v in values.items()
            }
        if "#until" in update:
            change["ExpressionAttributeNames"] = {"#until": "until"}
        return {"Update": change}  # type: ignore[typeddict-item]  # built up member by member

    def _delete(self, at: Item, condition: str = "", **values: str | int) -> Write:
        """A write for `_transact`."""
        delete: Item = {"TableName": self._table, "Key": at}
        if condition:
            delete["ConditionExpression"] = condition
        if values:
            delete["ExpressionAttributeValues"] = {f":{k}": v for k, v in encode({**values}).items()}
        return {"Delete": delete}  # type: ignore[typeddict-item]  # built up member by member

    def _transact(self, writes: list[Write]) -> set[int]:
        """Do all `writes` and return nothing, or none and return the indices of failed conditions."""
        for attempt in range(TRIES):
            try:
                self._client.transact_write_items(TransactItems=writes)
                return set()
            except ClientError as error:
                reasons: list[Item] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]  # not in boto3's types
                codes = [reason.get("Code") for reason in reasons]
                failed = {index for index, code in enumerate(codes) if code == "ConditionalCheckFailed"}
                if failed:
                    return failed
                if not _PASSING.intersection(codes) or attempt == TRIES - 1:
                    raise self._unavailable(error) from error
            except BotoCoreError as error:
                raise self._unavailable(error) from error
            pause(attempt)
        raise AssertionError("unreachable")

    def _write(self, write: Write) -> bool:
        """Do one write of `_put`, `_update` or `_delete`; false if its condition failed."""
        kind, arguments = next(iter(cast(dict[str, Item], write).items()))
        calls: dict[str, Any] = {
            "Put": self._client.put_item,
            "Update": self._client.update_item,
            "Delete": self._client.delete_item,
        }
        try:
            calls[kind](**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                return False
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        return True

    def close(self) -> None:
        """See `Store.close`."""
        self._client.close()
