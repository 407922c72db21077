"""Metric filters: metrics from the lines that are put into a log group, as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from localcloud import emulator
from localcloud.logs.patterns import Pattern, parse
from localcloud.metrics import clock
from localcloud.metrics.store import STORE

Filter = dict[str, Any]

#: Filters of a log group, and dimensions of a filter.
_MOST, _MOST_DIMENSIONS = 100, 3
_NAME = re.compile(r"[^:*$]{1,255}")

#: Filters with a default value that have seen lines since the last minute, and whether any of them matched;
#: by account, region, and the filter's key.
_seen: dict[tuple[str, str, tuple[str, str]], bool] = {}


@lru_cache(maxsize=512)
def _parsed(pattern: str) -> Pattern:
    return parse(pattern)


def problem(request: Mapping[str, Any], others: int) -> str:
    """Why a PutMetricFilter request is refused, "" when it is not; `others` are the group's other filters."""
    transformations = request.get("metricTransformations") or []
    if len(transformations) != 1:
        return f"A metric filter has one metric transformation, not {len(transformations)}."
    found = transformations[0]
    for member in ("metricName", "metricNamespace"):
        if not _NAME.fullmatch(str(found.get(member) or "")):
            return f"{member} needs 1 to 255 characters and none of : * $, not {found.get(member)!r}."
    value = str(found.get("metricValue") or "")
    if not value.startswith("$") and _number(value) is None:
        return f"metricValue {value!r} is neither a number nor a field such as $.latency."
    dimensions = found.get("dimensions") or {}
    if len(dimensions) > _MOST_DIMENSIONS:
        return f"A metric filter has {_MOST_DIMENSIONS} dimensions at most."
    if wrong := [field for field in dimensions.values() if not str(field).startswith("$")]:
        return f"A dimension's value is a field such as $.route, not {wrong[0]!r}."
    if dimensions and found.get("defaultValue") is not None:
        return "A metric with dimensions has no defaultValue."
    if others >= _MOST:
        return f"A log group has {_MOST} metric filters at most."
    return ""


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def take(group: str, events: list[dict[str, Any]]) -> None:
    """Publish what the group's filters make of new lines; the region must be set."""
    responses = emulator.module("core.responses")
    where = (responses.get_account_id(), responses.get_region())
    for key, found in list(emulator.module("services.cloudwatch_logs")._metric_filters.items()):
        if key[0] != group or not events:
            continue
        published = [_publish(found, event) for event in events]
        if found["metricTransformations"][0].get("defaultValue") is not None:
            _seen[*where, key] = any(published) or _seen.get((*where, key), False)


def _publish(found: Filter, event: Mapping[str, Any]) -> bool:
    """Publish what a filter makes of a line; whether that is anything."""
    message, pattern = str(event.get("message", "")), _parsed(found["filterPattern"])
    if pattern.match(message) is None:
        return False
    wanted = found["metricTransformations"][0]
    text = str(wanted["metricValue"])
    value = _number(pattern.field(message, text) if text.startswith("$") else text)
    named = {name: pattern.field(message, field) for name, field in (wanted.get("dimensions") or {}).items()}
    dimensions = {name: field for name, field in named.items() if field is not None}
    if value is None or len(dimensions) < len(named):
        return False
    _metric(wanted, dimensions).at(float(event.get("timestamp") or time.time() * 1000) / 1000).add(value)
    return True


def _metric(wanted: Mapping[str, Any], dimensions: dict[str, str]) -> Any:
    unit = wanted.get("unit") or "None"
    return STORE.metric(wanted["metricNamespace"], wanted["metricName"], dimensions, unit)


def publish_defaults(at: float) -> None:
    """Publish the default of each filter whose lines of the minute that ends at `at` did not match."""
    seen = list(_seen.items())
    _seen.clear()
    for (account, region, key), matched in seen:
        with emulator.module("core.responses").request_scope(account, region):
            found = emulator.module("services.cloudwatch_logs")._metric_filters.get(key)
            wanted = found["metricTransformations"][0] if found else {}
            if not matched and wanted.get("defaultValue") is not None:
                _metric(wanted, {}).at(at - clock.seconds(30)).add(float(wanted["defaultValue"]))


def install() -> None:
    """Look at every line that is put into a log group, and check filters that are put."""
    logs = emulator.module("services.cloudwatch_logs")
    put_lines, put_filter = logs._put_log_events, logs._put_metric_filter

    def put_log_events(data: dict[str, Any]) -> Any:
        answer = put_lines(data)
        if answer[0] < 400:
            take(data["logGroupName"], data.get("logEvents") or [])
        return answer

    def put_metric_filter(data: dict[str, Any]) -> Any:
        group, name = data.get("logGroupName"), data.get("filterName")
        others = sum(key[0] == group and key[1] != name for key in logs._metric_filters)
        if found := problem(data, others):
            return logs.error_response_json("InvalidParameterException", found, 400)
        return put_filter(data)

    logs._put_log_events = put_log_events
    logs._put_metric_filter = put_metric_filter
