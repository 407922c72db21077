"""What differs between the table in use and the restored one, by kind of item; never a value of one.

The kind of an item is what its keys begin with, up to a `#`: `token` for `token#<digest>`, `owner/account`
for `owner#<id>` with the sort key `account`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stack.recover.table import Live

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# What an item has once somebody ended it, and what is ended by being deleted: what the service writes.
ENDINGS = ("revoked_at", "disabled_at")
_ENDS_BY_DELETION = "session"
# Reads of the table in use, in units a second at most: its users come first.
_UNITS = 200.0
_OTHERS = "items"


@dataclass
class Kind:
    """Numbers of items of a kind: how many each table has, and how many differ."""

    restored: int = 0
    live: int = 0
    back: int = 0
    lost: int = 0
    changed: int = 0


@dataclass(frozen=True)
class Ended:
    """An item that would be good again: what ended it since is not in the restored table."""

    kind: str
    key: Mapping[str, Any]
    id: str


@dataclass
class Difference:
    """Both tables by kind of item, and what would be good again."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)

    def of(self, kind: str) -> Kind:
        """The numbers of one kind."""
        return self.kinds.setdefault(kind, Kind())


def tables(live: Live, target: str, expires_by: str) -> Difference:
    """Compare the live table with a restored one; `expires_by` is the attribute of their items' expiry.

    Reads both in whole, and keeps about 200 bytes of memory for each item of the live one.
    """
    names = [one["AttributeName"] for one in live.described["KeySchema"]]
    found, now = Difference(), time.time()
    most = live.described.get("OnDemandThroughput", {}).get("MaxReadRequestUnits", -1)
    pace = min(_UNITS, most / 2) if most > 0 else _UNITS
    here: dict[bytes, tuple[str, bytes, bool]] = {}
    for item in _items(live.dynamodb, live.name, pace):
        kind = kind_of([item[name] for name in names])
        found.of(kind).live += 1
        here[_digest({name: item[name] for name in names})] = (kind, _digest(item), _has_ended(item))
    for item in _items(live.dynamodb, target):
        key = {name: item[name] for name in names}
        kind = kind_of(list(key.values()))
        numbers = found.of(kind)
        numbers.restored += 1
        other = here.pop(_digest(key), None)
        if other is None:
            numbers.back += 1
            gone = kind.rpartition("/")[2] == _ENDS_BY_DELETION
        else:
            numbers.changed += other[1] != _digest(item)
            gone = other[2] and not _has_ended(item)
        if gone and not _has_expired(item, expires_by, now):
            found.ended.append(Ended(kind, key, item.get("id", {}).get("S", "")))
    for kind, _, _ in here.values():
        found.of(kind).lost += 1
    found.kinds = dict(sorted(found.kinds.items()))
    return found


def kind_of(keys: list[Any]) -> str:
    """The kind that an item's keys tell; "items" where they are of no such form."""
    words = [str(key["S"]) for key in keys if "S" in key]
    if not words or "#" not in words[0]:
        return _OTHERS
    return "/".join(dict.fromkeys(word.partition("#")[0] for word in words))


def _items(dynamodb: DynamoDBClient, name: str, pace: float = 0) -> Iterator[dict[str, Any]]:
    """Every item of a table; `pace`: read units a second at most, 0 for as many as there are."""
    pages = dynamodb.get_paginator("scan").paginate(TableName=name, ReturnConsumedCapacity="TOTAL")
    for page in pages:
        yield from page["Items"]
        if pace and page.get("LastEvaluatedKey"):
            time.sleep(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0) / pace)


def _has_ended(item: Mapping[str, Any]) -> bool:
    return any("N" in item.get(name, {}) for name in ENDINGS)


def _has_expired(item: Mapping[str, Any], expires_by: str, now: float) -> bool:
    until = item.get(expires_by, {}).get("N")
    return until is not None and float(until) <= now


def _digest(value: Any) -> bytes:
    said = json.dumps(_in_order(value), sort_keys=True, default=repr)
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


def _in_order(value: Any) -> Any:
    """The value with its sets in order, as DynamoDB gives them in any."""
    if not isinstance(value, dict):
        return [_in_order(one) for one in value] if isinstance(value, list) else value
    return {
        key: sorted(one, key=repr) if key in ("SS", "NS", "BS") and isinstance(one, list) else _in_order(one)
        for key, one in value.items()
    }
