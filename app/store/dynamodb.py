"""The store on AWS: one DynamoDB table, looked up by the token's digest.

| item | pk | sk |
|---|---|---|
| the token, as the service looks it up | `token#<digest>` | `token` |
| the same, as its owner lists and revokes it | `owner#<owner>` | `token#<id>` |

Both carry all attributes and are written in one transaction. `expires_at` is the table's TTL attribute; its
deletion may lag by days, so expiry is checked by the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.store import Conflict, StoreUnavailable, TokenRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    Item = dict[str, Any]


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _keys(owner: str, token_id: str, digest: str) -> tuple[Item, Item]:
    return _key(f"token#{digest}", "token"), _key(f"owner#{owner}", f"token#{token_id}")


def _attributes(record: TokenRecord) -> Item:
    item: Item = {
        "id": {"S": record.id},
        "owner": {"S": record.owner},
        "name": {"S": record.name},
        "digest": {"S": record.digest},
        "created_at": {"N": str(record.created_at)},
    }
    if record.expires_at is not None:
        item["expires_at"] = {"N": str(record.expires_at)}
    if record.revoked_at is not None:
        item["revoked_at"] = {"N": str(record.revoked_at)}
    return item


def _record(item: Item) -> TokenRecord:
    def number(name: str) -> int | None:
        return int(item[name]["N"]) if name in item else None

    return TokenRecord(
        id=item["id"]["S"],
        owner=item["owner"]["S"],
        name=item["name"]["S"],
        digest=item["digest"]["S"],
        created_at=int(item["created_at"]["N"]),
        expires_at=number("expires_at"),
        revoked_at=number("revoked_at"),
    )


def _conflicts(error: ClientError) -> bool:
    """Whether a transaction failed because one of its conditions was not met."""
    reasons: list[Item] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    code = error.response.get("Error", {}).get("Code")
    return code == "TransactionCanceledException" and any(
        reason.get("Code") == "ConditionalCheckFailed" for reason in reasons
    )


class DynamoDBStore:
    """`app.store.Store` in an existing table; `timeout` seconds to connect, again to answer; two attempts."""

    def __init__(self, table: str, timeout: float) -> None:
        self._table = table
        try:
            self._client: DynamoDBClient = boto3.client(
                "dynamodb",
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

    def ping(self) -> None:
        """See `Store.ping`. A look-up of a key that cannot exist: needs no permission that look-ups don't."""
        self.find("-")

    def _put(self, keys: Item, attributes: Item) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._table,
                "Item": keys | attributes,
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }

    def add(self, record: TokenRecord) -> None:
        """See `Store.add`."""
        attributes = _attributes(record)
        by_digest, by_owner = _keys(record.owner, record.id, record.digest)
        try:
            self._client.transact_write_items(
                TransactItems=[self._put(by_digest, attributes), self._put(by_owner, attributes)]
            )
        except ClientError as error:
            if _conflicts(error):
                raise Conflict(f"token {record.id} exists") from error
            raise self._unavailable(error) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error

    def _get(self, key: Item, *, consistent: bool) -> TokenRecord | None:
        try:
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=consistent)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        item = answer.get("Item")
        return _record(item) if item else None

    def find(self, digest: str) -> TokenRecord | None:
        """See `Store.find`.

        A consistent read: an eventually consistent one could answer "unknown" for a token made a moment ago,
        and that refusal would then be cached.
        """
        return self._get(_key(f"token#{digest}", "token"), consistent=True)

    def list(self, owner: str) -> list[TokenRecord]:
        """See `Store.list`."""
        records = []
        try:
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues={":pk": {"S": f"owner#{owner}"}, ":sk": {"S": "token#"}},
                ConsistentRead=True,
            )
            for page in pages:
                records += [_record(item) for item in page["Items"]]
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        return sorted(records, key=lambda record: (record.created_at, record.id))

    def revoke(self, owner: str, token_id: str, now: int) -> TokenRecord | None:
        """See `Store.revoke`."""
        by_owner = _key(f"owner#{owner}", f"token#{token_id}")
        record = self._get(by_owner, consistent=True)
        if record is None or record.revoked_at is not None:
            return record
        by_digest, _ = _keys(owner, token_id, record.digest)
        updates: list[TransactWriteItemTypeDef] = [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": key,
                    # Never makes an item anew that TTL removed meanwhile; the first revocation's time stands.
                    "ConditionExpression": "attribute_exists(pk)",
                    "UpdateExpression": "SET revoked_at = if_not_exists(revoked_at, :now)",
                    "ExpressionAttributeValues": {":now": {"N": str(now)}},
                }
            }
            for key in (by_digest, by_owner)
        ]
        try:
            self._client.transact_write_items(TransactItems=updates)
        except ClientError as error:
            if not _conflicts(error):
                raise self._unavailable(error) from error
            # One of the two items went (TTL) since we read it: the token is gone either way unless it is not.
            if self.find(record.digest) is not None:
                raise self._unavailable(error) from error
            return None
        except BotoCoreError as error:
            raise self._unavailable(error) from error
        return self._get(by_owner, consistent=True)

    def close(self) -> None:
        """See `Store.close`."""
        self._client.close()
