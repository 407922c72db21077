"""CloudWatch's metrics over its API: PutMetricData, GetMetricData, GetMetricStatistics and ListMetrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from localcloud import emulator
from localcloud.metrics import clock, evaluation, expression, naming
from localcloud.metrics.definition import nested
from localcloud.metrics.functions import ExpressionError
from localcloud.metrics.store import STORE

Request = dict[str, Any]

#: What a graph can show, as the user guide says of search expressions.
_MOST_SERIES = 500


class RequestError(ValueError):
    """A request that cannot be answered."""


def put(namespace: str, name: str, dimensions: dict[str, str], at: float, unit: str, value: Any, values: Any,
        counts: Any, statistics: Any) -> None:  # fmt: skip
    """Store one MetricDatum: a value, values with their counts, or a statistic set."""
    found = STORE.metric(namespace, name, dimensions, unit).at(at)
    if values is not None:
        for each, count in zip(values, counts or [1.0] * len(values), strict=True):
            found.add(float(each), float(count))
    elif statistics is not None:
        found.add_set(*(float(statistics[key]) for key in ("SampleCount", "Sum", "Minimum", "Maximum")))
    else:
        found.add(float(value or 0))


def get_metric_data(request: Request) -> Request:
    """Series and expressions, newest first unless asked otherwise. Raises RequestError."""
    queries = request.get("MetricDataQueries") or []
    start, end = _time(request, "StartTime"), _time(request, "EndTime")
    newest_first = request.get("ScanBy") != "TimestampAscending"
    values: dict[str, Any] = {}
    try:
        periods = _periods(queries)
        longest = max(periods, default=60)
        expressions = any(query.get("Expression") for query in queries)
        for period in {longest} if expressions else set(periods):
            mine = [q for q in queries if expressions or int(q["MetricStat"]["Period"]) == period]
            found = evaluation.series_of(mine, period, clock.slot(start, period), _after(end, period))
            values |= {name: (period, series) for name, series in found.items()}
    except (ExpressionError, KeyError) as exc:
        raise RequestError(str(exc)) from exc
    results: list[Request] = []
    for query in queries:
        if str(query.get("ReturnData", True)).lower() == "false":
            continue
        period, series = values[query["Id"]]
        if isinstance(series, list):
            named = zip(naming.labels(query.get("Label"), query["Id"], series), series, strict=True)
        else:
            known = series if isinstance(series, dict) else {clock.slot(start, period): series}
            named = zip([_label(query)], [known], strict=True)
        for label, one in named:
            ordered = sorted(one.items(), reverse=newest_first)
            results.append({
                "Id": query["Id"], "Label": label, "StatusCode": "Complete",
                "Timestamps": [number * clock.seconds(period) for number, _ in ordered],
                "Values": [float(value) for _, value in ordered],
            })  # fmt: skip
    too_many = [{"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}]
    return {
        "MetricDataResults": results[:_MOST_SERIES],
        "Messages": too_many if len(results) > _MOST_SERIES else [],
    }


def _periods(queries: list[Request]) -> list[int]:
    """The periods that the queries name. Raises ExpressionError."""
    found = [int(query["MetricStat"]["Period"]) for query in queries if query.get("MetricStat")]
    for query in queries:
        if query.get("Expression"):
            given = int(query.get("Period") or 0)
            searches = expression.parse(query["Expression"]).searches
            found += [period for period in (search or given for search in searches) if period]
    return found


def _label(query: Request) -> str:
    metric = (query.get("MetricStat") or {}).get("Metric")
    given, otherwise = str(query.get("Label") or ""), query["Id"]
    if not metric:
        return given or otherwise
    dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions") or []}
    name = naming.MetricName(metric["Namespace"], metric["MetricName"], dimensions)
    return naming.dynamic(given, name.name, name) if given else name.name


def get_metric_statistics(request: Request) -> Request:
    """Statistics of one metric by period. Raises RequestError."""
    period = int(request["Period"])
    dimensions = {d["Name"]: d["Value"] for d in request.get("Dimensions") or []}
    start, end = _time(request, "StartTime"), _time(request, "EndTime")
    where = (request["Namespace"], request["MetricName"], dimensions)
    metric = STORE.find(*where)
    points = []
    for number, found in STORE.periods(
        *where, period, clock.slot(start, period), _after(end, period)
    ).items():
        point: Request = {"Timestamp": number * clock.seconds(period), "Unit": metric.unit if metric else ""}
        try:
            for name in request.get("Statistics") or []:
                point[name] = found.statistic(name)
            extended = {name: found.statistic(name) for name in request.get("ExtendedStatistics") or []}
        except KeyError as exc:
            raise RequestError(f"there is no statistic {exc}") from exc
        if any(value is not None for value in extended.values()):
            point["ExtendedStatistics"] = extended
        points.append(point)
    return {"Label": request["MetricName"], "Datapoints": points}


def list_metrics(request: Request) -> Request:
    """The metrics there are, filtered by namespace, name and dimensions."""
    wanted = request.get("Dimensions") or []
    return {"Metrics": [
        {"Namespace": namespace, "MetricName": name,
         "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()]}
        for namespace, name, dimensions in STORE.all()
        if request.get("Namespace") in (None, "", namespace) and request.get("MetricName") in (None, "", name)
        and all(d["Name"] in dimensions and d.get("Value") in (None, "", dimensions[d["Name"]])
                for d in wanted)
    ]}  # fmt: skip


def _time(request: Request, name: str) -> float:
    found = emulator.module("services.cloudwatch")._parse_ts(request.get(name))
    if found is None:
        raise RequestError(f"The parameter {name} is required")
    return float(found)


def _after(end: float, period: int) -> int:
    """The first period that does not begin before `end`."""
    number = clock.slot(end, period)
    return number + (number * clock.seconds(period) < end)


def install(changed: Callable[[bool], None]) -> None:
    """Answer instead of MiniStack; `changed(True)` is called after metrics were stored."""
    cloudwatch = emulator.module("services.cloudwatch")

    def store(*datum: Any) -> None:
        put(*datum)
        changed(True)

    def record(namespace: str, metric_name: str, value: float, unit: str = "None",
               dimensions: dict[str, str] | None = None) -> None:  # fmt: skip
        store(namespace, metric_name, dimensions or {}, time.time(), unit, value, None, None, None)

    cloudwatch._store_datum = store
    cloudwatch.record_metric = record
    # Metrics are not kept by MiniStack, so it has none to evict.
    cloudwatch._evict_old_metrics = lambda: None
    for function in (get_metric_data, get_metric_statistics, list_metrics):
        setattr(cloudwatch, f"_{function.__name__}", _handler(function))


def _handler(function: Callable[[Request], Request]) -> Callable[..., Any]:
    name = "".join(part.title() for part in function.__name__.split("_"))

    def handle(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        cloudwatch = emulator.module("services.cloudwatch")
        try:
            result = function(data if is_cbor or is_json else nested(params))
        except RequestError as exc:
            return cloudwatch._error("ValidationError", str(exc), 400, is_json, is_cbor)
        if is_cbor:
            return cloudwatch._cbor_ok(_stamped(result, cloudwatch._cbor_timestamp))
        if is_json:
            body = json.dumps(_without_none(result)).encode()
            return 200, {"Content-Type": "application/json"}, body
        stamped = _stamped(result, cloudwatch._ts_iso)
        return cloudwatch._xml(200, f"{name}Response", f"<{name}Result>{_xml(stamped)}</{name}Result>")

    return handle


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


def _stamped(value: Any, stamp: Callable[[float], Any]) -> Any:
    """The same with its timestamps as a protocol has them."""
    if isinstance(value, list):
        return [_stamped(each, stamp) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        if key == "Timestamp":
            found[key] = stamp(each)
        else:
            found[key] = [stamp(at) for at in each] if key == "Timestamps" else _stamped(each, stamp)
    return found


def _xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{key}>{_xml(each)}</{key}>" for key, each in value.items() if each is not None)
    if isinstance(value, list):
        return "".join(f"<member>{_xml(each)}</member>" for each in value)
    return escape(str(value))
