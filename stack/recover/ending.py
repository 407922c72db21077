"""Ends in a restored table what was ended since: tokens, accounts and sessions that would be good again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stack.recover.compare import Ended
from stack.recover.table import Live


def again(live: Live, target: str, ended: Iterable[Ended]) -> None:
    """Have each item in the restored table as the live table has it: revoked, disabled, or not at all."""
    for one in ended:
        key: Any = dict(one.key)
        item = live.dynamodb.get_item(TableName=live.name, Key=key, ConsistentRead=True).get("Item")
        if item:
            live.dynamodb.put_item(TableName=target, Item=item)
        else:
            live.dynamodb.delete_item(TableName=target, Key=key)
