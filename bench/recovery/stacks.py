"""Stacks lost: all of them are deleted, and made again around the table and the key that were retained."""

from __future__ import annotations

import time

from bench.recovery import place as places
from bench.recovery import writer
from bench.recovery.place import Stopwatch
from bench.recovery.result import Result
from tests.e2e.checkout import Checkout


def run(place: Checkout, seconds: float) -> Result:
    """Write for `seconds`, delete the environment, create it again as the deletion said."""
    places.create(place)
    watch = Stopwatch()
    with places.writes(place) as at_work:
        time.sleep(seconds)
    lost_at = time.time()
    said = place.succeed("make -s delete ENV=local YES=1")
    deleted_at = time.time()
    _, _, lines = said.partition("[parameters.data]\n")
    places.put(place, lines.strip())
    with watch.step("`make create`"):
        places.create(place)
    with watch.step("until the token is taken"):
        places.until_taken(place, at_work.acknowledged[-1].token)
    again = time.time()
    url = f"http://127.0.0.1:{place.gateway_port}"
    table = writer.store(url, "us-east-1", places.output(place, "local", "data", "TableName"))
    return Result(
        "stacks",
        "the stacks (all deleted)",
        again - deleted_at,
        lost_at,
        at_work.acknowledged,
        writer.known(table, at_work.acknowledged),
        0,
        watch.steps,
    )
