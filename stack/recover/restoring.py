"""One restore: started, or gone on with, and followed until the new table can be used."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from rich.status import Status

from stack.aws.clients import Cloud
from stack.aws.patience import patiently
from stack.errors import ToolError, refused
from stack.recover import table
from stack.recover.moment import in_words
from stack.recover.table import Live
from stack.terminal import Terminal

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# After how many silent seconds a log gets a line.
_HEARTBEAT = 20.0


@dataclass(frozen=True)
class Restored:
    """A restored table that is there; `seconds` it took, None where it was there already."""

    name: str
    moment: datetime
    seconds: float | None


def under_way(live: Live) -> str:
    """The name of a table that is being restored from this one right now, the newest; "" for none."""
    # Names come in order, and those of restored tables end with their moment.
    begins = table.beginning(live.name)
    found = ""
    for name in live.dynamodb.list_tables(ExclusiveStartTableName=begins)["TableNames"]:
        described = table.describe(live.dynamodb, name) if name.startswith(begins) else None
        if described and in_progress(described) and _is_from(described, live):
            found = name
    return found


def ensure(cloud: Cloud, terminal: Terminal, live: Live, target: str, moment: datetime) -> Restored:
    """Have the table `target` as `live` was at a moment and return once it can be used.

    Goes on with a restore that was begun before. Raises a ToolError, refused where the name is taken.
    """
    described = table.describe(live.dynamodb, target)
    if described is None:
        described = _start(live, target, moment)
        terminal.say(f"Restoring {live.name} into {target}", "bold")
    elif not _is_from(described, live):
        raise refused(
            f"There is a table {target} that was not restored from {live.name}. Nothing was done.",
            "Choose another moment, or delete that table if nobody needs it.",
        )
    elif in_progress(described):
        terminal.say(f"Going on with {target}, whose restore runs already", "bold")
    else:
        terminal.say(f"{target} was restored before; going on with it")
        return Restored(target, _moment(described), None)
    began = described.get("CreationDateTime") or datetime.now(UTC)
    _wait(cloud, terminal, live.dynamodb, target, began)
    done = table.describe(live.dynamodb, target) or described
    return Restored(target, _moment(done), _since(began))


def _start(live: Live, target: str, moment: datetime) -> dict[str, Any]:
    try:
        answer = live.dynamodb.restore_table_to_point_in_time(
            SourceTableName=live.name, TargetTableName=target, RestoreDateTime=moment
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "LimitExceededException":
            raise refused(
                f"DynamoDB restores no further table now: {error.response['Error'].get('Message')}",
                "An account may have 50 restores at once. Wait until one is done, and run this again.",
            ) from error
        raise
    return dict(answer["TableDescription"])


def _is_from(described: dict[str, Any], live: Live) -> bool:
    return bool(described.get("RestoreSummary", {}).get("SourceTableArn") == live.arn)


def in_progress(described: dict[str, Any]) -> bool:
    """Whether DescribeTable's answer says that the table cannot be used yet."""
    return described["TableStatus"] != "ACTIVE" or bool(
        described.get("RestoreSummary", {}).get("RestoreInProgress")
    )


def _moment(described: dict[str, Any]) -> datetime:
    moment: datetime = described["RestoreSummary"]["RestoreDateTime"]
    return moment.astimezone(UTC)


def _since(began: datetime) -> float:
    return max(0.0, (datetime.now(UTC) - began).total_seconds())


def _wait(cloud: Cloud, terminal: Terminal, dynamodb: DynamoDBClient, target: str, began: datetime) -> None:
    """Wait until the table can be used, however long that takes."""
    spoke = time.monotonic()
    with _status(terminal, f"Restoring {target}") as status:
        while True:
            described = patiently(lambda: table.describe(dynamodb, target))
            if described is None:
                raise ToolError(
                    f"The restore into {target} ended without a table.",
                    "AWS's health page and CloudTrail may say why. Run the same command again.",
                )
            if not in_progress(described):
                return
            words = f"{_since(began):.0f} s, {described['TableStatus']}"
            if status:
                status.update(f"Restoring {target} {words}")
            elif time.monotonic() - spoke > _HEARTBEAT:
                terminal.say(f"{_since(began):7.1f} s  still restoring, {described['TableStatus']}")
                spoke = time.monotonic()
            time.sleep(cloud.pause)


@contextlib.contextmanager
def _status(terminal: Terminal, words: str) -> Iterator[Status | None]:
    if not terminal.live:
        yield None
        return
    with terminal.err.status(words) as status:
        yield status


def in_use(cloud: Cloud, dynamodb: DynamoDBClient, target: str) -> None:
    """Wait until a change of the table's settings is done: before that it takes no other."""
    while (patiently(lambda: table.describe(dynamodb, target)) or {}).get("TableStatus") == "UPDATING":
        time.sleep(cloud.pause)


def told(restored: Restored) -> str:
    """One sentence about it."""
    took = f", in {restored.seconds:.0f} s" if restored.seconds is not None else ""
    return f"{restored.name} is the table as it was at {in_words(restored.moment)}{took}"
