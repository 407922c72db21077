"""Somebody who makes tokens all the time, and remembers which ones were acknowledged, and when."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from unittest import mock

from app import tokens
from app.store import StoreUnavailable, new_record
from app.store.dynamodb import DynamoDBStore

#: Writes a second, as far as the table follows.
RATE = 20.0


@dataclass(frozen=True)
class Write:
    """A token that the table acknowledged at `at`, a time of `time.time()`."""

    token: str
    at: float


@dataclass
class Writer:
    """Writes tokens into a table, as the service does, from `with` until the end of its block, or `stop`.

    A write that fails is no acknowledged one, and the next is tried.
    """

    store: DynamoDBStore
    acknowledged: list[Write] = field(default_factory=list)
    failed: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def table(self) -> str:
        """The table's name."""
        return self.store._table

    def __enter__(self) -> Writer:
        """Begin."""
        self._thread = threading.Thread(target=self._write, name="writer")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.stop()

    def stop(self) -> None:
        """End, once the write under way is acknowledged or failed."""
        self._over.set()
        if self._thread:
            self._thread.join()

    def before(self, moment: float) -> list[Write]:
        """What was acknowledged before a moment."""
        return [one for one in self.acknowledged if one.at < moment]

    def _write(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            token = tokens.make()
            try:
                self.store.add(new_record(tokens.digest(token), "recovery", None))
            except StoreUnavailable:
                self.failed += 1
            else:
                self.acknowledged.append(Write(token, time.time()))
            due = max(due + 1 / RATE, time.monotonic())
            self._over.wait(due - time.monotonic())


def store(url: str, region: str, table: str) -> DynamoDBStore:
    """The service's store in a table of a region."""
    # It takes all of that from where the service does.
    surroundings = {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    with mock.patch.dict(os.environ, surroundings):
        return DynamoDBStore(table, timeout=5)


def known(reader: DynamoDBStore, writes: list[Write]) -> list[Write]:
    """Those of the writes that a table knows."""
    records = {record.digest for record in reader.list("operator")}
    return [one for one in writes if tokens.digest(one.token) in records]
