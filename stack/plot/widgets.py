"""A CloudWatch dashboard as a sheet: its widgets as panels, filled from CloudWatch.

Source: "Dashboard body structure and syntax", Amazon CloudWatch API reference.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from botocore.exceptions import ClientError

from stack.aws.clients import Cloud
from stack.plot.sheet import Mark, Panel, Series, Sheet
from stack.terminal import Terminal

COLUMNS = 24
_USUAL = timedelta(hours=3)
_AGO = re.compile(r"-P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")


def sheet(cloud: Cloud, terminal: Terminal, name: str, minutes: int | None = None) -> Sheet:
    """Fetch a dashboard and what its widgets show of the last minutes (its own `start` for None).

    Widgets that query logs are left out, with a notice.
    """
    body = json.loads(cloud.cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
    ago = timedelta(minutes=minutes) if minutes else _ago(body.get("start", ""))
    end = datetime.now(UTC)
    panels = []
    for widget in body["widgets"]:
        properties = widget.get("properties", {})
        panel = Panel(
            properties.get("title", ""),
            widget.get("x", 0), widget.get("y", 0), widget.get("width", 6), widget.get("height", 6),
            "lines",
        )  # fmt: skip
        if widget["type"] == "metric":
            panel.view = "numbers" if properties.get("view") == "singleValue" else "lines"
            panel.series = _series(cloud, terminal, properties, end - ago, end)
            levels = properties.get("annotations", {}).get("horizontal", [])
            panel.marks = [Mark(one.get("label", ""), one["value"]) for one in levels if "value" in one]
        elif widget["type"] == "text":
            panel.view, panel.text = "text", properties.get("markdown", "").splitlines()
        elif widget["type"] == "alarm":
            panel.view, panel.text = "text", _alarms(cloud, properties.get("alarms", []))
        else:
            terminal.notice(f'"{panel.title}" is not drawn: it is made of log lines, not of metrics.')
            continue
        panels.append(panel)
    title = f"{cloud.environment.name}, {end - ago:%Y-%m-%d %H:%M} to {end:%H:%M} UTC"
    return Sheet(
        title,
        COLUMNS,
        panels,
        span=((end - ago).timestamp(), end.timestamp()),
        legend=("deployment begins", "ends", "was rolled back"),
    )


def _ago(start: str) -> timedelta:
    found = _AGO.fullmatch(start)
    if not found:
        return _USUAL
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes) or _USUAL


def _series(
    cloud: Cloud, terminal: Terminal, properties: Mapping[str, Any], begin: datetime, end: datetime
) -> list[Series]:
    """What a widget's metrics are over the time, in the widget's order; hidden ones are left out."""
    queries = metric_queries(properties, int((end - begin).total_seconds()))
    # A search has a result for each metric it finds, and two of them may have one label.
    found: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    pages = cloud.cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries,  # type: ignore[arg-type]  # dicts, as the API's own documents are
        StartTime=begin,
        EndTime=end,
        ScanBy="TimestampAscending",
    )
    try:
        for page in pages:
            before: Counter[tuple[str, str]] = Counter()
            for one in page["MetricDataResults"]:
                points = zip(one["Timestamps"], one["Values"], strict=True)
                name = (one["Id"], one.get("Label", ""))
                series = found.setdefault((*name, before[name]), [])
                series.extend((at.timestamp(), value) for at, value in points)
                before[name] += 1
    except ClientError as error:
        why = error.response.get("Error", {}).get("Message", str(error))
        terminal.notice(f'"{properties.get("title", "")}" is not drawn whole: {why}')
        return []
    right = {
        query["Id"]
        for query, given in zip(queries, properties.get("metrics", []), strict=True)
        if isinstance(given[-1], dict) and given[-1].get("yAxis") == "right"
    }
    return [Series(label, broken(points), query in right) for (query, label, _), points in found.items()]


def broken(points: Sequence[tuple[float, float]]) -> list[tuple[float, float | None]]:
    """The points with a break wherever some are missing: a line across would say that there was something."""
    step = min((after - before for (before, _), (after, _) in pairwise(points)), default=0)
    found: list[tuple[float, float | None]] = []
    for x, y in points:
        if found and x - found[-1][0] > 1.5 * step:
            found.append((found[-1][0] + step, None))
        found.append((x, y))
    return found


def metric_queries(properties: Mapping[str, Any], seconds: int) -> list[dict[str, Any]]:
    """A widget's `metrics` as GetMetricData takes them; `seconds` is the time shown."""
    queries: list[dict[str, Any]] = []
    before: list[str] = []
    whole = max(60, seconds // 60 * 60) if properties.get("setPeriodToTimeRange") else None
    for number, given in enumerate(properties.get("metrics", [])):
        *parts, options = given if isinstance(given[-1], dict) else [*given, {}]
        query: dict[str, Any] = {
            "Id": options.get("id", f"query{number}"),
            "ReturnData": options.get("visible", True),
        }
        if "label" in options:
            query["Label"] = options["label"]
        period = whole or options.get("period", properties.get("period", 300))
        if "expression" in options:
            query |= {"Expression": options["expression"], "Period": period}
        else:
            parts = before = _repeated(parts, before)
            namespace, metric, *dimensions = parts
            pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
            query["MetricStat"] = {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in pairs],
                },
                "Period": period,
                "Stat": options.get("stat", properties.get("stat", "Average")),
            }
        queries.append(query)
    return queries


def _repeated(parts: Sequence[str], before: Sequence[str]) -> list[str]:
    """Fill in what a line repeats of the one before: "." one part, "..." all up to the last ones."""
    if "..." in parts:
        at = parts.index("...")
        rest = len(parts) - at - 1
        parts = [*parts[:at], *before[at : len(before) - rest], *parts[at + 1 :]]
    return [before[number] if part == "." else part for number, part in enumerate(parts)]


def _alarms(cloud: Cloud, arns: Sequence[str]) -> list[str]:
    """A line an alarm: its state and its name."""
    names = [arn.rpartition(":alarm:")[2] for arn in arns]
    found: dict[str, str] = {}
    for page in cloud.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    ):
        for one in [*page["MetricAlarms"], *page["CompositeAlarms"]]:
            found[str(one["AlarmName"])] = str(one["StateValue"])
    return [f"{found.get(name, 'is gone'):18} {name}" for name in names]
