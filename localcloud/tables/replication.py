"""Global tables: writes reach the other replicas a moment later, and the later of two writes of an item wins.

MiniStack writes to all replicas at once, so that nothing could be lost with a region.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from localcloud import emulator, outages
from localcloud.tables.journal import Item

log = logging.getLogger("localcloud.tables")

#: How long a write takes to another region. AWS names 0.5 to 2.5 s between neighbouring ones.
_SECONDS = 0.5

#: Account, table, partition and sort key.
_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Change:
    """A write on its way to one replica; `at` is seconds since 1970, `item` None for a deletion."""

    at: float
    account: str
    source: str
    target: str
    table: str
    partition: str
    sort: str
    item: Item | None

    @property
    def key(self) -> _Key:
        """The item, in whatever region."""
        return self.account, self.table, self.partition, self.sort

    def stopped(self) -> bool:
        """Whether a region is out that it has to get away from, or into."""
        return bool(outages.REGIONS.left(self.source) or outages.REGIONS.left(self.target))


class Replication:
    """Writes on their way, by where they come from and where they go. Lives on the event loop."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], deque[Change]] = {}
        #: When each item of each region was last written, as long as something is on its way.
        self._written: dict[tuple[str, _Key], float] = {}
        self._wake = asyncio.Event()
        self._delivering: asyncio.Task[None] | None = None
        self._changed: Callable[[], None] = lambda: None

    def state(self) -> list[dict[str, Any]]:
        """What is on its way, as `load` takes it."""
        return [asdict(change) for pending in self._pending.values() for change in pending]

    def load(self, saved: list[dict[str, Any]] | None) -> None:
        """Go on with what was saved."""
        self._pending, self._written = {}, {}
        for change in saved or []:
            self._send(Change(**change))

    def install(self, changed: Callable[[], None]) -> None:
        """Take the place of MiniStack's replication; `changed` is called after each delivery."""
        self._wake, self._changed = asyncio.Event(), changed
        emulator.module("services.dynamodb")._replicate_write = self._replicate

    def start(self) -> None:
        """Begin to deliver."""
        self._delivering = asyncio.get_running_loop().create_task(self._run(), name="replication")

    async def stop(self) -> None:
        """Deliver nothing more; what is on its way is saved."""
        if self._delivering:
            self._delivering.cancel()
            await asyncio.gather(self._delivering, return_exceptions=True)

    def wake(self) -> None:
        """Look again: a region went or came."""
        self._wake.set()

    def _replicate(self, table: dict[str, Any], event: str, old: Item | None, new: Item | None) -> None:
        """A write of the request's region: send it to the others."""
        del event
        dynamodb, responses = emulator.module("services.dynamodb"), emulator.module("core.responses")
        account, here, item = (
            responses.get_account_id(),
            responses.get_region(),
            new if new is not None else old,
        )
        if not (regions := dynamodb._replica_group(table)) or item is None:
            return
        partition, sort = _keys(table, item)
        for region in regions:
            if region != here:
                change = Change(
                    time.time(),
                    account,
                    here,
                    region,
                    table["TableName"],
                    partition,
                    sort,
                    copy.deepcopy(new),
                )
                self._send(change)
        self._wake.set()

    def _send(self, change: Change) -> None:
        self._pending.setdefault((change.source, change.target), deque()).append(change)
        self._written[change.source, change.key] = change.at

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(self._deliver()):
                    await self._wake.wait()
            except TimeoutError:
                continue
            except Exception:
                log.exception("writes could not be replicated")
                await asyncio.sleep(_SECONDS)

    def _deliver(self) -> float | None:
        """Deliver what is due; seconds until something is again, None when nothing is on its way."""
        waits, delivered = [], False
        for pending in self._pending.values():
            while pending and not pending[0].stopped():
                if (wait := pending[0].at + _SECONDS - time.time()) > 0:
                    waits.append(wait)
                    break
                self._apply(pending[0])
                pending.popleft()
                delivered = True
        if not any(self._pending.values()):
            self._pending.clear()
            self._written.clear()
        if delivered:
            self._changed()
        return min(waits, default=None)

    def _apply(self, change: Change) -> None:
        """Write it in its target, unless that has a later one."""
        dynamodb = emulator.module("services.dynamodb")
        scope = emulator.module("core.responses").request_scope
        with scope(change.account, change.target):
            table = dynamodb._tables.get(change.table)
            if table is None or change.source not in dynamodb._replica_group(table):
                return  # It is no replica any more.
            if self._written.get((change.target, change.key), 0.0) <= change.at:
                self._written[change.target, change.key] = change.at
                _write(table, change)
        with scope(change.account, change.source):
            emulator.module("services.cloudwatch").record_metric(
                "AWS/DynamoDB", "ReplicationLatency", (time.time() - change.at) * 1000, "Milliseconds",
                {"TableName": change.table, "ReceivingRegion": change.target},
            )  # fmt: skip


def _write(table: dict[str, Any], change: Change) -> None:
    dynamodb = emulator.module("services.dynamodb")
    before = table["items"].get(change.partition, {}).get(change.sort)
    if change.item is None:
        if before is None:
            return
        dynamodb._remove_item(table, change.partition, change.sort)
        event = "REMOVE"
    else:
        dynamodb._set_item(table, change.partition, change.sort, change.item)
        event = "MODIFY" if before else "INSERT"
    dynamodb._emit_stream_event(change.table, event, before, change.item, replicate=False)


def _keys(table: dict[str, Any], item: Item) -> tuple[str, str]:
    """An item's partition and sort key as MiniStack stores them."""
    dynamodb = emulator.module("services.dynamodb")
    sort = dynamodb._extract_key_val(item.get(table["sk_name"])) if table["sk_name"] else "__no_sort__"
    return str(dynamodb._extract_key_val(item.get(table["pk_name"]))), str(sort)


REPLICATION = Replication()
