"""What an objective attained, what is left of its budget, and how fast that burns."""

from __future__ import annotations

import math
import operator
import time
from typing import Any

from localcloud import emulator
from localcloud.metrics import clock, evaluation
from localcloud.metrics.functions import ExpressionError
from localcloud.metrics.store import STORE
from localcloud.signals.objectives import (
    OBJECTIVES,
    Objective,
    SignalsError,
    found,
    interval_minutes,
    longest,
    period_of,
)

_NAMESPACE = "AWS/ApplicationSignals"
_HEALTHY = {
    "GreaterThan": operator.gt, "GreaterThanOrEqualTo": operator.ge, "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}  # fmt: skip


def report(identity: str, at: float) -> dict[str, Any]:
    """The budget report of an objective at a time (seconds since 1970). Raises SignalsError."""
    objective = found(identity)
    shown = ("Arn", "Name", "EvaluationType", "Goal", "Sli", "RequestBasedSli")
    answer = {name: objective[name] for name in shown if name in objective}
    begin = _interval_start(objective, at)
    try:
        known, bad, total = _counted(objective, begin, at)
    except ExpressionError as exc:
        raise SignalsError("ValidationException", 400, str(exc)) from exc
    if not known or not total or at < objective["CreatedTime"]:
        return {**answer, "BudgetStatus": "INSUFFICIENT_DATA"}
    goal = objective["Goal"]
    if objective["EvaluationType"] == "PeriodBased":
        period = period_of(objective)
        budget = interval_minutes(goal) * 60 * (1 - goal["AttainmentGoal"] / 100)
        left = budget - bad * period
        answer |= {"TotalBudgetSeconds": _whole(budget), "BudgetSecondsRemaining": _whole(left)}
    else:
        budget = total * (1 - goal["AttainmentGoal"] / 100)
        left = budget - bad
        answer |= {"TotalBudgetRequests": _whole(budget), "BudgetRequestsRemaining": _whole(left)}
    if left <= 0:
        status = "BREACHED"
    else:
        status = "WARNING" if left / budget * 100 < goal["WarningThreshold"] else "OK"
    return {**answer, "BudgetStatus": status, "Attainment": (1 - bad / total) * 100}


def _whole(value: float) -> int:
    # What is a whole number but for a hair stays that number.
    return math.floor(value + 1e-6)


def _interval_start(objective: Objective, at: float) -> float:
    length = clock.seconds(interval_minutes(objective["Goal"]) * 60)
    calendar = objective["Goal"]["Interval"].get("CalendarInterval")
    if calendar is None:
        return at - length
    first = float(calendar["StartTime"])
    return first + max(0.0, (at - first) // length) * length


def _counted(objective: Objective, begin: float, end: float) -> tuple[bool, float, float]:
    """Whether there is any data between two times; bad periods or requests there, and all of them.

    All periods of the time count, as documented for burn rates: one without data is a good one.
    """
    if objective["EvaluationType"] == "PeriodBased":
        sli = objective["Sli"]
        queries = sli["SliMetric"]["MetricDataQueries"]
        values = _series(queries, begin, end)
        healthy = _HEALTHY[sli["ComparisonOperator"]]
        bad = sum(not healthy(value, sli["MetricThreshold"]) for value in values.values())
        return bool(values), bad, (end - begin) / clock.seconds(longest(queries))
    metric = objective["RequestBasedSli"]["RequestBasedSliMetric"]
    all_requests = _series(metric["TotalRequestCountMetric"], begin, end)
    total = sum(all_requests.values())
    ((name, queries),) = metric["MonitoredRequestCountMetric"].items()
    counted = sum(_series(queries, begin, end).values())
    return bool(all_requests), total - counted if name == "GoodCountMetric" else counted, total


def _series(queries: list[dict[str, Any]], begin: float, end: float) -> dict[int, float]:
    """The values of what the queries return, by the numbers of their periods."""
    period = longest(queries)
    # Nothing is older than the oldest datapoint, and expressions that fill gaps go over every period.
    first = max(clock.slot(begin, period), _oldest(queries, period))
    after = clock.slot(end, period) + 1
    wanted = next(query["Id"] for query in queries if query.get("ReturnData", True))
    values = evaluation.series_of(queries, period, first, max(first, after))[wanted]
    if isinstance(values, list):
        raise ExpressionError(f"{wanted} gives an array")
    return values if isinstance(values, dict) else {}


def _oldest(queries: list[dict[str, Any]], period: int) -> int:
    numbers = []
    for metric in (query["MetricStat"]["Metric"] for query in queries if query.get("MetricStat")):
        dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
        kept = STORE.find(metric["Namespace"], metric["MetricName"], dimensions)
        if kept and kept.points:
            numbers.append(min(kept.points) // period)
    return min(numbers, default=0)


def publish(at: float) -> None:
    """Publish every objective's attainment and burn rates of the minute that ends at `at`."""
    for arn, objective in list(OBJECTIVES.items()):
        _, _, _, region, account, _ = arn.split(":", 5)
        with emulator.module("core.responses").request_scope(account, region):
            try:
                _publish(objective, at)
            except ExpressionError:
                continue  # Its metrics do not fit its expression now; the report says so.


def _publish(objective: Objective, at: float) -> None:
    known, bad, total = _counted(objective, _interval_start(objective, at), at)
    if not known or not total:
        return
    missed = bad / total
    name = {"SloName": str(objective["Name"])}
    moment = at - clock.seconds(30)
    STORE.metric(_NAMESPACE, "AttainmentRate", name, "Percent").at(moment).add((1 - missed) * 100)
    for rate in objective["BurnRateConfigurations"]:
        window = rate["LookBackWindowMinutes"]
        known, bad, total = _counted(objective, at - clock.seconds(window * 60), at)
        # As documented: where the window has no data, the attainment decides.
        error = bad / total if known and total else missed
        burn = error / (1 - objective["Goal"]["AttainmentGoal"] / 100)
        where = {**name, "BurnRateWindowMinutes": str(window)}
        STORE.metric(_NAMESPACE, "BurnRate", where, "None").at(moment).add(burn)


def reports(identities: list[str], at: float | None = None) -> dict[str, Any]:
    """BatchGetServiceLevelObjectiveBudgetReport's answer; what cannot be reported is among its errors."""
    moment = time.time() if at is None else at
    answer: dict[str, Any] = {"Timestamp": moment, "Reports": [], "Errors": []}
    for identity in identities:
        try:
            answer["Reports"].append(report(identity, moment))
        except SignalsError as exc:
            name = identity.rpartition("/")[2]
            answer["Errors"].append(
                {"Name": name, "Arn": identity, "ErrorCode": exc.code, "ErrorMessage": str(exc)}
            )
    return answer
