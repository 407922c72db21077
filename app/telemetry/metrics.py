"""The service's numbers: counted in each process, put where every process can read them.

A worker counts in a plain list, the cheapest thing there is. At intervals it copies the list into its slot of
a piece of memory that all workers share (made before they are forked), so that whichever of them is asked for
Prometheus text can add all up. A worker that takes the place of another goes on from the numbers of its slot:
counters never go back. Used on the event loop only; other threads hand in what they measured by a deque.
"""

from __future__ import annotations

import mmap
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from app.problems import KINDS
from app.store import Store, StoreUnavailable, TokenRecord

# Upper bounds in seconds. The objectives' own (100 and 500 ms) are among them, so that they can be counted
# exactly; the rest are dense enough for percentiles.
BOUNDS = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1,
    0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0,
)  # fmt: skip
OBJECTIVE_SECONDS = 0.1
UNMATCHED = ""
"""The route of requests that no route was found for."""
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
LIMITS = ("token", "source", "credential")


def measured(store: Store, metrics: Metrics) -> Store:
    """`store`, its look-ups of tokens timed."""
    return cast("Store", _MeasuredStore(store, metrics))


class _MeasuredStore:
    """Everything goes to the store itself; `find` is timed on the way, in whatever thread it is called."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._measured = metrics.measured

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find(self, digest: str) -> TokenRecord | None:
        """See the store."""
        started = time.perf_counter()
        try:
            record = self._store.find(digest)
        except StoreUnavailable:
            self._measured.append(started - time.perf_counter())
            raise
        self._measured.append(time.perf_counter() - started)
        return record


@dataclass(frozen=True)
class Histogram:
    """Where a histogram's numbers are: for each bucket its count and the sum of what is in it."""

    at: int

    def counts(self, numbers: list[float]) -> list[float]:
        """How many fell into each bucket; the last one is open."""
        return numbers[self.at : self.at + 2 * len(BOUNDS) + 2 : 2]

    def sums(self, numbers: list[float]) -> list[float]:
        """Their sums, in seconds."""
        return numbers[self.at + 1 : self.at + 2 * len(BOUNDS) + 2 : 2]


class Metrics:
    """All numbers. Made once before the workers are forked; `slots`: how many of them there may be."""

    def __init__(self, routes: Iterable[str], slots: int = 1) -> None:
        self.routes = (*sorted(set(routes) - {UNMATCHED}), UNMATCHED)
        self._size = 0
        self._route_at = {route: self._reserve(len(STATUSES)) for route in self.routes}
        self._other = self._route_at[UNMATCHED]
        self.latency = Histogram(self._reserve(2 * len(BOUNDS) + 2))
        self.lookups = Histogram(self._reserve(2 * len(BOUNDS) + 2))
        self.refusal_at = {kind: self._reserve() for kind in KINDS}
        self.throttled_at = {name: self._reserve() for name in LIMITS}
        self.bytes_in, self.bytes_out = self._reserve(), self._reserve()
        self.compared, self.different = self._reserve(), self._reserve()
        self.store_failures = self._reserve()
        self.messages = self._reserve()
        self.dropped = self._reserve()
        self.in_flight, self.connections, self.websockets = self._reserve(), self._reserve(), self._reserve()
        self.numbers: list[float] = [0.0] * self._size
        self.echoes = 0  # since this process started; says which ones are compared
        self.measured: deque[float] = deque()
        """Seconds of store look-ups, negative if they failed; from any thread."""
        self.gauges: Callable[[], None] = lambda: None
        """Called before numbers are read, to bring the gauges up to date."""
        self._slots = slots
        self._memory = memoryview(mmap.mmap(-1, slots * self._size * 8)).cast("d")
        self._slot = 0

    def _reserve(self, count: int = 1) -> int:
        at = self._size
        self._size += count
        return at

    def use_slot(self, slot: int) -> None:
        """Count on from what the slot's last worker has left; `slot` belongs to this process alone."""
        self._slot = slot
        start = slot * self._size
        self.numbers[:] = self._memory[start : start + self._size].tolist()
        for gauge in (self.in_flight, self.connections, self.websockets):
            self.numbers[gauge] = 0.0

    # -- counting ---

    def request(self, route: str, status: int, seconds: float, received: int, sent: int) -> None:
        """Count one answered request."""
        numbers = self.numbers
        numbers[self._route_at.get(route, self._other) + status // 100 - 1] += 1
        at = self.latency.at + 2 * bisect_left(BOUNDS, seconds)
        numbers[at] += 1
        numbers[at + 1] += seconds
        numbers[self.bytes_in] += received
        numbers[self.bytes_out] += sent

    def requests_at(self, route: str) -> int:
        """Where the five counts by class of status of a route begin."""
        return self._route_at[route]

    # -- reading ---

    def publish(self) -> None:
        """Bring this process's slot up to date."""
        numbers = self.numbers
        self.gauges()
        while self.measured:
            seconds = self.measured.popleft()
            if seconds < 0:
                numbers[self.store_failures] += 1
                seconds = -seconds
            at = self.lookups.at + 2 * bisect_left(BOUNDS, seconds)
            numbers[at] += 1
            numbers[at + 1] += seconds
        start = self._slot * self._size
        self._memory[start : start + self._size] = array("d", numbers)

    def total(self) -> list[float]:
        """The sum over all processes; the others' numbers are up to a second old."""
        self.publish()
        slots = [
            self._memory[at : at + self._size].tolist() for at in range(0, len(self._memory), self._size)
        ]
        return [sum(column) for column in zip(*slots, strict=True)]
