"""Service level objectives: what they may be, and where they are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from localcloud import emulator
from localcloud.metrics import definition

Objective = dict[str, Any]

#: Measures of services that Application Signals would have discovered.
_DISCOVERED = (
    "KeyAttributes", "OperationName", "MetricType", "MetricName", "MetricSource", "DependencyConfig",
    "CompositeSliConfig",
)  # fmt: skip
_COMPARISONS = ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
_MINUTES = {"MINUTE": 1, "HOUR": 60, "DAY": 1440, "MONTH": 30 * 1440}

#: Every region's objectives by their ARN, in the API's words.
OBJECTIVES: dict[str, Objective] = {}
#: Their tags.
TAGS: dict[str, dict[str, str]] = {}


class SignalsError(ValueError):
    """An error answer of the API; `code` is its exception's name, `status` its HTTP status."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def invalid(message: str) -> SignalsError:
    """A request that is refused."""
    return SignalsError("ValidationException", 400, message)


def state() -> Any:
    """What is saved."""
    return {"objectives": OBJECTIVES, "tags": TAGS}


def load(saved: Any) -> None:
    """Take what was saved before; None when there is nothing."""
    OBJECTIVES.update((saved or {}).get("objectives", {}))
    TAGS.update((saved or {}).get("tags", {}))


def prefix() -> str:
    """How the ARNs of the request's account and region begin."""
    responses = emulator.module("core.responses")
    return f"arn:aws:application-signals:{responses.get_region()}:{responses.get_account_id()}:slo/"


def here() -> list[Objective]:
    """The objectives of the request's region, by name."""
    return sorted((o for arn, o in OBJECTIVES.items() if arn.startswith(prefix())), key=lambda o: o["Name"])


def found(identity: str) -> Objective:
    """The objective with a name or an ARN. Raises SignalsError."""
    arn = identity if identity.startswith("arn:") else prefix() + identity
    if arn not in OBJECTIVES:
        raise SignalsError(
            "ResourceNotFoundException", 404, f"There is no service level objective {identity}"
        )
    return OBJECTIVES[arn]


def create(request: Mapping[str, Any]) -> Objective:
    """Keep a new objective of a CreateServiceLevelObjective request. Raises SignalsError."""
    arn = prefix() + str(request["Name"])
    if arn in OBJECTIVES:
        raise SignalsError("ConflictException", 409, f"A service level objective {request['Name']} exists")
    made = {"Arn": arn, "Name": request["Name"], "CreatedTime": int(time.time())}
    OBJECTIVES[arn] = made | _described(request)
    TAGS[arn] = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or []}
    return OBJECTIVES[arn]


def update(identity: str, request: Mapping[str, Any]) -> Objective:
    """Change an objective; what the request leaves out stays. Raises SignalsError."""
    objective = found(identity)
    sides = {"SliConfig": "PeriodBased", "RequestBasedSliConfig": "RequestBased"}
    for side, kind in sides.items():
        if request.get(side) and objective["EvaluationType"] != kind:
            raise invalid(f"{objective['Name']} is {objective['EvaluationType']}, which cannot be changed")
    before = {name: objective[name] for name in ("Description", "Goal", "BurnRateConfigurations")}
    objective.update(_described({**before, **_config(objective), **request}))
    return objective


def delete(identity: str) -> None:
    """Forget an objective. Raises SignalsError."""
    arn = found(identity)["Arn"]
    OBJECTIVES.pop(arn)
    TAGS.pop(arn, None)


def _config(objective: Objective) -> dict[str, Any]:
    """The indicator as a request has it."""
    if sli := objective.get("Sli"):
        metric = {"SliMetricConfig": sli["SliMetric"]}
        return {"SliConfig": {**sli, **metric}}
    sli = objective["RequestBasedSli"]
    return {"RequestBasedSliConfig": {"RequestBasedSliMetricConfig": sli["RequestBasedSliMetric"]}}


def _described(request: Mapping[str, Any]) -> Objective:
    """The members that a request decides, with AWS's defaults. Raises SignalsError."""
    period, requests = request.get("SliConfig"), request.get("RequestBasedSliConfig")
    if bool(period) == bool(requests):
        raise invalid("exactly one of SliConfig (Sli) and RequestBasedSliConfig (RequestBasedSli) is needed")
    goal = _goal(request.get("Goal") or {})
    members: Objective = {
        "Description": request.get("Description") or "No description",
        "LastUpdatedTime": int(time.time()),
        "EvaluationType": "PeriodBased" if period else "RequestBased",
        "MetricSourceType": "CloudWatchMetric",
        "Goal": goal,
    }
    if period:
        members["Sli"] = _period_based(period)
        least = period_of(members) / 60
    else:
        members["RequestBasedSli"] = {
            "RequestBasedSliMetric": _request_based(requests["RequestBasedSliMetricConfig"])  # type: ignore[index]  # one of the two is given
        }
        least = 1
    members["BurnRateConfigurations"] = _burn_rates(request, goal, least)
    return members


def _period_based(config: Mapping[str, Any]) -> dict[str, Any]:
    if config.get("ComparisonOperator") not in _COMPARISONS:
        raise invalid(f"ComparisonOperator must be one of {', '.join(_COMPARISONS)}")
    if config.get("MetricThreshold") is None:
        raise invalid("MetricThreshold is needed")
    metric = config["SliMetricConfig"]
    _refuse_discovered(metric)
    queries = _queries(metric.get("MetricDataQueries"), "MetricDataQueries")
    if not 60 <= longest(queries) <= 900:
        raise invalid("the period of an indicator's metric must be from 60 to 900 seconds")
    return {
        "SliMetric": {"MetricDataQueries": queries},
        "MetricThreshold": float(config["MetricThreshold"]),
        "ComparisonOperator": config["ComparisonOperator"],
    }


def _request_based(metric: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_discovered(metric)
    counted = metric.get("MonitoredRequestCountMetric") or {}
    if len(counted) != 1:
        raise invalid("MonitoredRequestCountMetric needs exactly one of GoodCountMetric and BadCountMetric")
    ((name, queries),) = counted.items()
    return {
        "TotalRequestCountMetric": _queries(metric.get("TotalRequestCountMetric"), "TotalRequestCountMetric"),
        "MonitoredRequestCountMetric": {name: _queries(queries, name)},
    }


def _refuse_discovered(metric: Mapping[str, Any]) -> None:
    if named := [name for name in _DISCOVERED if metric.get(name)]:
        raise invalid(f"the local cloud discovers no services, which {', '.join(named)} would measure: name "
                      "CloudWatch metrics")  # fmt: skip


def _queries(given: Any, member: str) -> list[dict[str, Any]]:
    if not given:
        raise invalid(f"{member} is needed")
    queries = [{**query} for query in given]
    if len(queries) > 20:
        raise invalid(f"{member} has {len(queries)} structures; 20 are allowed")
    for query in queries:
        if bool(query.get("MetricStat")) == bool(query.get("Expression")):
            raise invalid(f"{member}: {query.get('Id')} needs either MetricStat or Expression")
        query.setdefault("ReturnData", True)
    if not any(query.get("MetricStat") for query in queries):
        raise invalid(f"{member} names no metric")
    try:
        definition.check_queries(queries)
    except definition.AlarmError as exc:
        raise invalid(f"{member}: {exc}") from exc
    return queries


def longest(queries: list[dict[str, Any]]) -> int:
    """Seconds of the longest period of the queries' metrics."""
    return max(int(query["MetricStat"]["Period"]) for query in queries if query.get("MetricStat"))


def period_of(objective: Objective) -> int:
    """Seconds of the period of a period-based objective's indicator."""
    return longest(objective["Sli"]["SliMetric"]["MetricDataQueries"])


def _goal(given: Mapping[str, Any]) -> dict[str, Any]:
    interval = given.get("Interval") or {"RollingInterval": {"DurationUnit": "DAY", "Duration": 7}}
    if len(interval) != 1:
        raise invalid("Interval needs exactly one of RollingInterval and CalendarInterval")
    goal, warning = float(given.get("AttainmentGoal", 99)), float(given.get("WarningThreshold", 50))
    if not 0 < goal < 100:
        raise invalid("AttainmentGoal must be above 0 and below 100")
    if not 0 <= warning <= 100:
        raise invalid("WarningThreshold must be from 0 to 100")
    return {"Interval": interval, "AttainmentGoal": goal, "WarningThreshold": warning}


def interval_minutes(goal: Mapping[str, Any]) -> float:
    """Minutes of a goal's interval; a month has 30 days."""
    ((_, interval),) = goal["Interval"].items()
    return float(_MINUTES[interval["DurationUnit"]] * int(interval["Duration"]))


def _burn_rates(request: Mapping[str, Any], goal: dict[str, Any], least: float) -> list[dict[str, int]]:
    windows = [int(rate["LookBackWindowMinutes"]) for rate in request.get("BurnRateConfigurations") or []]
    for window in windows:
        if window >= interval_minutes(goal):
            raise invalid(f"a look-back window of {window} minutes must be shorter than the interval")
        if not math.isclose(window % least, 0):
            raise invalid(f"a look-back window of {window} minutes must be a multiple of the period")
    return [{"LookBackWindowMinutes": window} for window in windows]
