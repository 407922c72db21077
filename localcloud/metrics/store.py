"""Where metrics are kept: per region, name and dimensions, the values of the last periods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localcloud import emulator
from localcloud.metrics import clock
from localcloud.metrics.distribution import Distribution, merged

#: So many datapoints are kept of each metric: eight hours of one a minute.
_KEPT = 480

Dimensions = dict[str, str]
#: Account, region, namespace, name, and the dimensions in order.
Key = tuple[str, str, str, str, tuple[tuple[str, str], ...]]


@dataclass
class Metric:
    """One metric: its unit, and its values by the (local cloud's) second they were measured in."""

    unit: str = "None"
    points: dict[int, Distribution] = field(default_factory=dict)

    def at(self, time: float) -> Distribution:
        """Where a value measured at `time` (seconds since 1970) goes."""
        number = clock.slot(time, 1)
        found = self.points.get(number)
        if found is None:
            found = self.points[number] = Distribution()
            if len(self.points) > _KEPT:
                del self.points[min(self.points)]
        return found


class Store:
    """The metrics of all regions. All methods need the request's account and region to be set."""

    def __init__(self) -> None:
        self._metrics: dict[Key, Metric] = {}
        #: Whether there may be something new since this was last set to False.
        self.touched = False

    def metric(self, namespace: str, name: str, dimensions: Dimensions, unit: str = "") -> Metric:
        """The metric, made if it is not there."""
        found = self._metrics.setdefault(_key(namespace, name, dimensions), Metric())
        if unit:
            found.unit = unit
        self.touched = True
        return found

    def forget(self, before: float) -> None:
        """Drop the metrics of all regions that have no datapoint since `before` (seconds since 1970)."""
        oldest = clock.slot(before, 1)
        for key in [key for key, metric in self._metrics.items() if max(metric.points, default=0) < oldest]:
            del self._metrics[key]

    def find(self, namespace: str, name: str, dimensions: Dimensions) -> Metric | None:
        """The metric with exactly these dimensions."""
        return self._metrics.get(_key(namespace, name, dimensions))

    def all(self) -> Iterator[tuple[str, str, Dimensions]]:
        """Namespace, name and dimensions of all metrics."""
        where = _where()
        for account, region, namespace, name, dimensions in list(self._metrics):
            if (account, region) == where:
                yield namespace, name, dict(dimensions)

    def series(
        self,
        namespace: str,
        name: str,
        dimensions: Dimensions,
        statistic: str,
        period: float,
        begin: int,
        end: int,
        offset: int = 0,
    ) -> dict[int, float]:
        """A statistic by the number of its period (of `period` seconds), for numbers in [begin, end).

        Periods without data are not there; `offset` is how many seconds later than usual they begin. Raises
        KeyError for an unknown statistic.
        """
        periods = self.periods(namespace, name, dimensions, period, begin, end, offset)
        values = {number: found.statistic(statistic) for number, found in periods.items()}
        return {number: value for number, value in values.items() if value is not None}

    def periods(
        self,
        namespace: str,
        name: str,
        dimensions: Dimensions,
        period: float,
        begin: int,
        end: int,
        offset: int = 0,
    ) -> dict[int, Distribution]:
        """The values by the number of their period, for numbers in [begin, end)."""
        metric = self.find(namespace, name, dimensions)
        parts: dict[int, list[Distribution]] = {}
        for number, found in sorted(metric.points.items()) if metric else ():
            # Numbers count the periods since 1970, so one divides the other whatever the speed.
            at = int((number - offset) // period)
            if begin <= at < end:
                parts.setdefault(at, []).append(found)
        return {at: found[0] if len(found) == 1 else merged(found) for at, found in parts.items()}

    # --- saving ---------------------------------------------------------------------------------------------

    def state(self) -> Any:
        """What is saved: all of it, as JSON can hold it."""
        return [
            [*key[:4], key[4], metric.unit, [[at, *_saved(found)] for at, found in metric.points.items()]]
            for key, metric in self._metrics.items()
        ]

    def load(self, saved: Any) -> None:
        """Take what was saved before; None when there is nothing."""
        for account, region, namespace, name, dimensions, unit, points in saved or ():
            key = (account, region, namespace, name, tuple((k, v) for k, v in dimensions))
            self._metrics[key] = Metric(unit, {int(at): _loaded(*values) for at, *values in points})


def _saved(found: Distribution) -> list[Any]:
    values = None if found.values is None else list(found.values.items())
    return [found.count, found.total, found.low, found.high, values]


def _loaded(count: float, total: float, low: float, high: float, values: Any) -> Distribution:
    return Distribution(count, total, low, high, None if values is None else dict(values))


def _where() -> tuple[str, str]:
    responses = emulator.module("core.responses")
    return responses.get_account_id(), responses.get_region()


def _key(namespace: str, name: str, dimensions: Dimensions) -> Key:
    return (*_where(), namespace, name, tuple(sorted(dimensions.items())))


STORE = Store()
