"""The values of one metric in one period: CloudWatch's statistics, percentiles included."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

#: So many different values of a period are kept as they are; more are kept to 1 %.
_EXACT = 200
_STEP = math.log(1.01)


@dataclass
class Distribution:
    """Count, sum and extremes, and how often each value came.

    `values` is None where that is unknown: of a statistic set whose values differ.
    """

    count: float = 0.0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    values: dict[float, float] | None = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        """Note a value that came `count` times."""
        self.count += count
        self.total += value * count
        self.low, self.high = min(self.low, value), max(self.high, value)
        if self.values is None:
            return
        if value not in self.values and len(self.values) >= _EXACT:
            value = _rounded(value)
            if len(self.values) == _EXACT:
                coarse: dict[float, float] = {}
                for known, times in self.values.items():
                    coarse[_rounded(known)] = coarse.get(_rounded(known), 0.0) + times
                self.values = coarse
        self.values[value] = self.values.get(value, 0.0) + count

    def add_set(self, count: float, total: float, low: float, high: float) -> None:
        """Note a statistic set, as PutMetricData takes it."""
        if count <= 0:
            return
        if low == high:
            self.add(low, count)
            return
        self.count, self.total = self.count + count, self.total + total
        self.low, self.high, self.values = min(self.low, low), max(self.high, high), None

    def absorb(self, other: Distribution) -> None:
        """Note all values of another."""
        if other.values is None:
            self.add_set(other.count, other.total, other.low, other.high)
        elif other.count:
            total, low, high = (
                self.total + other.total, min(self.low, other.low), max(self.high, other.high)
            )  # fmt: skip
            for value, count in other.values.items():
                self.add(value, count)
            # The values may have been rounded; these have not.
            self.total, self.low, self.high = total, low, high

    def statistic(self, name: str) -> float | None:
        """`Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p99`.

        None when there is none, as of a percentile of values that are not known. Raises KeyError for
        another name.
        """
        if name[:1] in "pP" and percentage(name) is not None:
            return None if self.values is None else _percentile(self.values, percentage(name) or 0.0)
        if not self.count:
            return None
        return {
            "SampleCount": self.count, "Sum": self.total, "Average": self.total / self.count,
            "Minimum": self.low, "Maximum": self.high,
        }[name]  # fmt: skip


#: The statistics that are no percentile.
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


def is_statistic(name: str) -> bool:
    """Whether a distribution has that statistic."""
    return name in STATISTICS or percentage(name) is not None


def percentage(name: str) -> float | None:
    """The number of a percentile such as `p99.9`; None when it is not one."""
    try:
        found = float(name[1:]) if name[:1] in ("p", "P") else -1.0
    except ValueError:
        return None
    return found if 0 <= found <= 100 else None


def merged(parts: Iterable[Distribution]) -> Distribution:
    """All values of several distributions in one."""
    found = Distribution()
    for part in parts:
        found.absorb(part)
    return found


def _rounded(value: float) -> float:
    return math.copysign(math.exp(round(math.log(abs(value)) / _STEP) * _STEP), value) if value else 0.0


def _percentile(values: dict[float, float], percent: float) -> float | None:
    """Linear interpolation between the two nearest ranks, each value counted as often as it came."""
    if not values or min(values) < 0:
        return None
    ordered = sorted(values.items())
    rank = percent / 100 * (sum(values.values()) - 1)
    lower = math.floor(rank)
    below, above = _at(ordered, lower), _at(ordered, lower + 1)
    return below + (rank - lower) * (above - below)


def _at(ordered: list[tuple[float, float]], rank: int) -> float:
    seen = 0.0
    for value, count in ordered:
        seen += count
        if rank < seen:
            return value
    return ordered[-1][0]
