"""What state an alarm should be in, from its datapoints, as CloudWatch decides it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.metrics import clock, search
from localcloud.metrics.expression import evaluate_all
from localcloud.metrics.functions import Series
from localcloud.metrics.naming import Found, MetricName
from localcloud.metrics.store import STORE

#: Datapoints that are looked at beyond the evaluation periods, where some of those are missing.
_BEYOND = 2

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Verdict:
    """The state an alarm should be in; `state` None: it stays in the one it is in."""

    state: str | None
    reason: str
    data: dict[str, Any]


def comparison_problem(operator_name: str) -> str:
    """Why an alarm cannot compare like that here; "" when it can."""
    if operator_name in _COMPARISONS:
        return ""
    return f"the local cloud has no ComparisonOperator {operator_name}; it has {', '.join(_COMPARISONS)}"


def period_of(alarm: Mapping[str, Any]) -> int:
    """Seconds of an alarm's period, as on AWS: the longest of its metrics."""
    stats = [query["MetricStat"] for query in alarm.get("Metrics") or [] if query.get("MetricStat")]
    periods = [int(stat["Period"]) for stat in stats] or [int(alarm.get("Period") or 60)]
    return max(periods)


def window(alarm: Mapping[str, Any], now: float) -> tuple[int, int]:
    """The number of the period that follows the alarm's last one, and how many seconds later periods begin.

    The window slides: it ends with the last full minute, however long the period is. A wall clock window
    ends with the last full period.
    """
    period = period_of(alarm)
    if period <= 60 or (alarm.get("EvaluationWindow") or {}).get("WallClockWindow") is not None:
        return clock.slot(now, period), 0
    ended = clock.slot(now, 60) * 60
    return ended // period, ended % period


def series_of(
    queries: Sequence[Mapping[str, Any]], period: int, begin: int, end: int, offset: int = 0
) -> dict[str, Any]:
    """The values of all queries in the periods [begin, end), which begin `offset` seconds later than usual.

    Raises ExpressionError.
    """

    def fetch(stat: Mapping[str, Any]) -> dict[int, float]:
        metric = stat["Metric"]
        dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
        return STORE.series(
            metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"], period, begin, end, offset
        )

    def find(test: search.Test, statistic: str) -> list[Series]:
        series: list[Series] = []
        for metric in sorted((MetricName(*each) for each in STORE.all()), key=MetricName.order):
            if test(metric):
                where = (metric.namespace, metric.name, dict(metric.dimensions))
                values = STORE.series(*where, statistic, period, begin, end, offset)
                series += [Found(metric, values)] if values else []
        return series

    return evaluate_all(queries, fetch, period, begin, end, find)


def datapoints(alarm: Mapping[str, Any], now: float) -> list[float | None]:
    """The alarm's evaluation range, oldest first; None is a period without data.

    Needs the alarm's account and region to be set. Raises ExpressionError.
    """
    period = period_of(alarm)
    end, offset = window(alarm, now)
    begin = end - int(alarm["EvaluationPeriods"]) - _BEYOND
    if queries := alarm.get("Metrics"):
        wanted = next(q["Id"] for q in queries if q.get("ReturnData", True))
        found = series_of(queries, period, begin, end, offset)[wanted]
    else:
        dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        found = STORE.series(
            alarm["Namespace"], alarm["MetricName"], dimensions, statistic, period, begin, end, offset
        )
    return [found.get(number) if isinstance(found, dict) else found for number in range(begin, end)]


def judge(alarm: Mapping[str, Any], now: float) -> Verdict:
    """The state the alarm should be in at `now`. Raises ExpressionError."""
    points = datapoints(alarm, now)
    periods = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    breaks, words = _COMPARISONS[alarm["ComparisonOperator"]]
    threshold = float(alarm["Threshold"])
    real = [value for value in points if value is not None][-periods:]
    data = _reason_data(alarm, points, now)
    breaching = sum(breaks(value, threshold) for value in real)
    missing = periods - len(real)
    treat = str(alarm.get("TreatMissingData") or "missing")
    if not real:
        return _without_data(treat, periods, data)
    assumed = f" and {missing} missing datapoint{'s were' if missing > 1 else ' was'} treated as"
    note = ""
    if missing and treat == "breaching":
        breaching, note = breaching + missing, f"{assumed} [Breaching]"
    elif missing and treat == "notBreaching":
        note = f"{assumed} [NonBreaching]"
    shown = ", ".join(f"{value}" for value in real)
    limit = f"the threshold ({threshold})"
    if breaching >= needed or (
        missing and treat == "missing" and _only_breaching(points, needed, breaks, threshold)
    ):
        reason = (f"Threshold Crossed: {breaching} out of the last {periods} datapoints [{shown}] "
                  f"{'were' if breaching > 1 else 'was'} {words} {limit}{note} (minimum {needed} "
                  f"datapoint{'s' if needed > 1 else ''} for OK -> ALARM transition).")  # fmt: skip
        return Verdict("ALARM", reason, data)
    if missing and treat in ("missing", "ignore") and all(breaks(value, threshold) for value in real):
        return Verdict(None, "", data)
    calm = len(real) - sum(breaks(value, threshold) for value in real)
    reason = (f"Threshold Crossed: {calm} out of the last {periods} datapoints [{shown}] "
              f"{'were' if calm != 1 else 'was'} not {words} {limit}{note} (minimum "
              f"{periods - needed + 1} datapoint{'s' if periods > needed else ''} for ALARM -> OK "
              "transition).")  # fmt: skip
    return Verdict("OK", reason, data)


def _without_data(treat: str, periods: int, data: dict[str, Any]) -> Verdict:
    gone = f"no datapoints were received for {periods} period{'s' if periods > 1 else ''} and " \
           f"{periods} missing datapoint{'s were' if periods > 1 else ' was'} treated as"  # fmt: skip
    if treat == "breaching":
        return Verdict("ALARM", f"Threshold Crossed: {gone} [Breaching].", data)
    if treat == "notBreaching":
        return Verdict("OK", f"Threshold Crossed: {gone} [NonBreaching].", data)
    if treat == "ignore":
        return Verdict(None, "", data)
    unknown = f"{periods} datapoint{'s were' if periods > 1 else ' was'} unknown"
    return Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {unknown}.", data)


def _only_breaching(
    points: list[float | None], needed: int, breaks: Callable[[float, float], bool], threshold: float
) -> bool:
    """Whether nothing but breaching datapoints came, the oldest of them at least `needed` periods ago.

    Then CloudWatch alarms although fewer than `needed` are known.
    """
    known = [(age, value) for age, value in enumerate(reversed(points), 1) if value is not None]
    return bool(known) and known[-1][0] >= needed and all(breaks(value, threshold) for _, value in known)


def _reason_data(alarm: Mapping[str, Any], points: list[float | None], now: float) -> dict[str, Any]:
    """AWS's StateReasonData."""
    period = period_of(alarm)
    periods = int(alarm["EvaluationPeriods"])
    end, offset = window(alarm, now)
    begun = {end - len(points) + at: value for at, value in enumerate(points) if value is not None}
    recent = dict(list(begun.items())[-periods:])
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    found = {
        "version": "1.0",
        "queryDate": _stamp(now),
        "period": period,
        "recentDatapoints": list(recent.values()),
        "threshold": float(alarm["Threshold"]),
        "evaluatedDatapoints": [
            {"timestamp": _stamp(at * clock.seconds(period) + clock.seconds(offset)), "value": value}
            for at, value in reversed(recent.items())
        ],
    }
    if statistic:
        found["statistic"] = statistic
    return found


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
