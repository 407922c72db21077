"""What a write costs in the local cloud's DynamoDB: plain, with point-in-time recovery, and with a replica.

    python -m bench.tables [--writes 1000]

Starts a local cloud of its own, puts items of 300 bytes one after another, and prints the processor time of
the local cloud for each. Tables take turns, so that load of the machine weighs on all alike. Needs Linux.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench.localcloud import processor_seconds
from tests.localcloud.conftest import Cloud

#: Writes to one table before it is the next one's turn.
_ROUND = 100


def _tables(dynamodb: Any) -> dict[str, str]:
    """The tables by what they are."""
    names = {"plain": "plain", "point-in-time recovery": "journal", "replica": "replicated"}
    for name in names.values():
        dynamodb.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )  # fmt: skip
    dynamodb.update_continuous_backups(
        TableName="journal", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    updates = [{"Create": {"RegionName": "us-west-2"}}]
    dynamodb.update_table(TableName="replicated", ReplicaUpdates=updates)
    return names


def measure(writes: int) -> dict[str, float]:
    """Microseconds of processor time a write, by the kind of table."""
    with tempfile.TemporaryDirectory(prefix="bench-tables-") as folder:
        cloud = Cloud(Path(folder) / "state")
        cloud.run("up")
        try:
            dynamodb, pid = cloud.client("dynamodb"), cloud.pid()
            tables = _tables(dynamodb)
            used = dict.fromkeys(tables, 0.0)
            for first in range(0, writes, _ROUND):
                for kind, name in tables.items():
                    before = processor_seconds(pid)
                    for number in range(first, first + _ROUND):
                        item = {"pk": {"S": str(number % 200)}, "value": {"S": "x" * 300}}
                        dynamodb.put_item(TableName=name, Item=item)
                    used[kind] += processor_seconds(pid) - before
            rounds = -(-writes // _ROUND) * _ROUND
            return {kind: seconds / rounds * 1e6 for kind, seconds in used.items()}
        finally:
            cloud.run("down")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__.splitlines()[0])
    parser.add_argument("--writes", type=int, default=1000, help="items put in each table (1000)")
    print(f"{'table':24} {'processor time a write, us':>27}")
    for kind, microseconds in measure(parser.parse_args().writes).items():
        print(f"{kind:24} {microseconds:27.0f}")


if __name__ == "__main__":
    main()
