"""Items lost: every token is deleted by mistake, and the table is restored to the moment before."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from app.store.dynamodb import DynamoDBStore
from bench.recovery import place as places
from bench.recovery import writer
from bench.recovery.place import Stopwatch
from bench.recovery.result import Result
from tests.e2e.checkout import Checkout

# BatchWriteItem takes no more at once.
_BATCH = 25


def run(place: Checkout, seconds: float) -> Result:
    """Write for `seconds`, delete everything, restore, put the restored table to use."""
    places.create(place)
    watch = Stopwatch()
    with places.writes(place) as at_work:
        time.sleep(seconds)
        # The last moment that is whole: whoever restores knows the second of the mistake, not more.
        to = datetime.now(UTC).replace(microsecond=0)
        lost_at = time.time()
        _delete_everything(at_work.store)
        token = at_work.before(to.timestamp())[-1].token
        with watch.step("`make restore`"):
            said = place.succeed(f"make -s restore ENV=local TO={to:%Y-%m-%dT%H:%M:%SZ} JSON=1")
        line, *commands = json.loads(said)["next"]
        places.put(place, line)
        for command in commands:
            with watch.step(f"`{' '.join(command.split()[:2])}`"):
                place.succeed(command)
        with watch.step("until the token is taken"):
            places.until_taken(place, token)
        again = time.time()
    url = f"http://127.0.0.1:{place.gateway_port}"
    restored = writer.store(url, "us-east-1", places.output(place, "local", "data", "TableName"))
    before = at_work.before(lost_at)
    after = [one for one in at_work.acknowledged if one.at >= lost_at]
    return Result(
        "items",
        "items (every token deleted)",
        again - lost_at,
        lost_at,
        before,
        writer.known(restored, before),
        len(after) - len(writer.known(restored, after)),
        watch.steps,
    )


def _delete_everything(store: DynamoDBStore) -> None:
    """Delete what there is now, as fast as the table takes it."""
    client, table = store._client, store._table
    keys: list[Any] = [
        {"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}}
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for item in page["Items"]
    ]
    for first in range(0, len(keys), _BATCH):
        client.batch_write_item(RequestItems={table: keys[first : first + _BATCH]})
