"""What an alarm may be, and its definition as requests and templates have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud import emulator
from localcloud.metrics import evaluation
from localcloud.metrics.distribution import STATISTICS, is_statistic
from localcloud.metrics.expression import parse
from localcloud.metrics.functions import ExpressionError

#: What belongs to an alarm on a single metric.
_SINGLE = ("Dimensions", "ExtendedStatistic", "MetricName", "Namespace", "Period", "Statistic", "Unit")


class AlarmError(ValueError):
    """An alarm that cannot be; the message says why."""


def complete(alarm: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Put into an alarm's record what MiniStack leaves out of it."""
    if given.get("Metrics"):
        for key in _SINGLE:
            alarm.pop(key, None)
        # A template may have strings for numbers and truths.
        alarm["Metrics"] = [
            {**query, "ReturnData": _true(query.get("ReturnData", True))} for query in given["Metrics"]
        ]
        for stat in (query["MetricStat"] for query in alarm["Metrics"] if query.get("MetricStat")):
            stat["Period"] = int(stat["Period"])
    for key in ("EvaluateLowSampleCountPercentile", "EvaluationWindow", "ThresholdMetricId"):
        if key in given:
            alarm[key] = given[key]


def check(alarm: Mapping[str, Any]) -> None:
    """Refuse an alarm that could not be evaluated, or could not act. Raises AlarmError."""
    check_actions(alarm)
    if problem := evaluation.comparison_problem(str(alarm.get("ComparisonOperator"))):
        raise AlarmError(problem)
    if alarm.get("TreatMissingData") not in (None, "", "missing", "ignore", "breaching", "notBreaching"):
        raise AlarmError(f"TreatMissingData cannot be {alarm['TreatMissingData']}")
    wall = (alarm.get("EvaluationWindow") or {}).get("WallClockWindow") or {}
    if wall.get("Timezone") not in (None, "", "UTC"):
        raise AlarmError(f"the local cloud's wall clock windows are in UTC, not in {wall['Timezone']}")
    periods = int(alarm.get("EvaluationPeriods") or 1)
    if int(alarm.get("DatapointsToAlarm") or periods) > periods:
        raise AlarmError("DatapointsToAlarm must not be greater than EvaluationPeriods")
    if queries := alarm.get("Metrics"):
        if single := _given(alarm):
            raise AlarmError(f"{', '.join(single)} must not be set if Metrics is")
        check_queries(queries)
    else:
        _check_single(alarm)
        _check_statistic(str(alarm.get("ExtendedStatistic") or alarm["Statistic"]))


def _check_single(alarm: Mapping[str, Any]) -> None:
    """One metric, with all that belongs to it."""
    for key in ("MetricName", "Namespace", "Period", "Threshold"):
        if alarm.get(key) in (None, ""):
            raise AlarmError(f"The parameter {key} is required")
    if len({"Statistic", "ExtendedStatistic"}.intersection(_given(alarm))) != 1:
        raise AlarmError("Exactly one of Statistic and ExtendedStatistic must be set")
    period = int(alarm["Period"])
    if period not in (10, 20, 30) and period % 60:
        raise AlarmError(f"Invalid period {period}: it must be 10, 20, 30 or a multiple of 60")


def _given(alarm: Mapping[str, Any]) -> list[str]:
    return [key for key in _SINGLE if alarm.get(key) not in (None, "", [])]


def check_actions(alarm: Mapping[str, Any]) -> None:
    """Refuse actions in another region than the alarm's. Raises AlarmError."""
    lists = (alarm.get(name) or [] for name in ("AlarmActions", "OKActions", "InsufficientDataActions"))
    for parts in (str(arn).split(":") for actions in lists for arn in actions):
        here = emulator.module("core.responses").get_region()
        if len(parts) > 3 and parts[3] not in ("", here):
            raise AlarmError(f"Invalid region {parts[3]} specified. Only {here} is supported.")


def check_queries(queries: Sequence[Mapping[str, Any]]) -> None:
    """Refuse metric data queries that do not give one series. Raises AlarmError."""
    for query in queries:
        if query.get("MetricStat"):
            _check_statistic(query["MetricStat"]["Stat"])
    if sum(_true(query.get("ReturnData", True)) for query in queries) != 1:
        raise AlarmError("exactly one of the Metrics must have ReturnData true")
    _check_expressions(queries)


def _check_statistic(statistic: str) -> None:
    if not is_statistic(statistic):
        raise AlarmError(f"the local cloud has no statistic {statistic}; it has {', '.join(STATISTICS)} "
                         "and percentiles such as p99")  # fmt: skip


def _check_expressions(queries: Sequence[Mapping[str, Any]]) -> None:
    ids = {query["Id"] for query in queries}
    for query in queries:
        if not query.get("Expression"):
            continue
        try:
            expression = parse(query["Expression"])
        except ExpressionError as exc:
            raise AlarmError(str(exc)) from exc
        if expression.searches:
            # AWS's words.
            raise AlarmError("SEARCH is not supported on Metric Alarms.")
        if unknown := expression.ids - ids:
            raise AlarmError(
                f"expression {query['Id']} names {', '.join(sorted(unknown))}, which is not there"
            )


def _true(value: Any) -> bool:
    return str(value).lower() != "false"


def nested(params: Mapping[str, Any]) -> dict[str, Any]:
    """A request of the Query protocol as the others have it: `A.member.1.B=x` is {"A": [{"B": "x"}]}."""
    found: dict[str, Any] = {}
    for name, values in params.items():
        place = found
        *path, last = name.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = values[0] if isinstance(values, list) else values
    listed: dict[str, Any] = _listed(found)
    return listed


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"member"}:
        return [_listed(each) for _, each in sorted(value["member"].items(), key=lambda item: int(item[0]))]
    return {key: _listed(each) for key, each in value.items()}
