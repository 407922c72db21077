"""Dashboards: what a body may be, and that an account has them once for all regions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from localcloud import emulator
from localcloud.metrics.definition import nested

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_MOST_WIDGETS, _COLUMNS, _MOST_ROWS = 500, 24, 1000
#: What each type of widget must have in its properties; of several names, one is enough.
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "alarm": (("alarms",),),
    "custom": (("endpoint",),),
    "explorer": (("metrics",),),
    "log": (("query", "queryBy"), ("region",)),
    "metric": (("metrics", "annotations"), ("region",)),
    "text": (("markdown",),),
}
_VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
#: Where MiniStack's store, which has a place for each region, keeps all of them.
_REGION = "us-east-1"

#: The place in the body and what is wrong there.
Problem = tuple[str, str]


class DashboardError(ValueError):
    """A dashboard that CloudWatch refuses; the message is CloudWatch's."""


def check(name: str, body: Any) -> None:
    """Refuse a name or a body that cannot be. Raises DashboardError."""
    if not _NAME.fullmatch(name):
        raise DashboardError("DashboardName has 1 to 255 of A-Z, a-z, 0-9, - and _")
    if found := list(problems(body)):
        listed = json.dumps([{"dataPath": path, "message": text} for path, text in found], indent=1)
        raise DashboardError(
            f"The dashboard body is invalid, there are {len(found)} validation errors:\n{listed}"
        )


def problems(body: Any) -> Iterator[Problem]:
    """Everything that is wrong with a body; nothing for a good one."""
    try:
        document = json.loads(body)
    except (TypeError, ValueError) as exc:
        yield "", f"The body is not JSON: {exc}"
        return
    widgets = document.get("widgets") if isinstance(document, dict) else None
    if not isinstance(widgets, list):
        yield "", "Should have required property 'widgets', an array"
        return
    if len(widgets) > _MOST_WIDGETS:
        yield "/widgets", f"Should NOT have more than {_MOST_WIDGETS} items"
    for number, widget in enumerate(widgets):
        yield from _widget(widget, f"/widgets/{number}")


def _widget(widget: Any, path: str) -> Iterator[Problem]:
    if not isinstance(widget, dict):
        yield path, "Should be object"
        return
    kind, properties = widget.get("type"), widget.get("properties")
    if kind not in _NEEDED:
        yield f"{path}/type", f"Should be one of {', '.join(_NEEDED)}"
        return
    yield from _place(widget, path)
    if not isinstance(properties, dict):
        yield path, "Should have required property 'properties'"
        return
    for names in _NEEDED[kind]:
        if not any(name in properties for name in names):
            yield f"{path}/properties", f"Should have required property '{' or '.join(names)}'"
    if kind == "metric":
        yield from _metric_widget(properties, f"{path}/properties")
    if kind == "alarm" and not 1 <= len(properties.get("alarms") or []) <= 100:
        yield f"{path}/properties/alarms", "Should have 1 to 100 items"


def _place(widget: dict[str, Any], path: str) -> Iterator[Problem]:
    least = {"x": 0, "y": 0, "width": 1, "height": 1}
    most = {"x": _COLUMNS - 1, "width": _COLUMNS, "height": _MOST_ROWS}
    given = {name: widget[name] for name in least if name in widget}
    for name, value in given.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least[name] or value > most.get(name, value):
            upper = f" to {most[name]}" if name in most else " on"
            yield f"{path}/{name}", f"Should be a whole number from {least[name]}{upper}"
            return
    if ("x" in given) != ("y" in given):
        yield path, "Should have both of x and y, or none"
    if given.get("x", 0) + given.get("width", 6) > _COLUMNS:
        yield path, f"Should end within {_COLUMNS} columns"


def _metric_widget(properties: dict[str, Any], path: str) -> Iterator[Problem]:
    if properties.get("view", "timeSeries") not in _VIEWS:
        yield f"{path}/view", f"Should be one of {', '.join(_VIEWS)}"
    for number, metric in enumerate(properties.get("metrics") or []):
        if not _is_metric(metric):
            yield f"{path}/metrics/{number}", "Should be a metric: [namespace, name, dimension, value, {...}]"


def _is_metric(metric: Any) -> bool:
    """An array of texts with one object at most, at its end; alone, that has an expression."""
    if not isinstance(metric, list) or not metric:
        return False
    *texts, last = metric
    if isinstance(last, dict):
        if not texts:
            return "expression" in last
    else:
        texts = metric
    if not all(isinstance(text, str) for text in texts):
        return False
    # "..." repeats as much as fits of the metric before.
    return "..." in texts or (len(texts) >= 2 and len(texts) % 2 == 0)


def install() -> None:
    """Check what is put, and keep the dashboards of all regions in one place."""
    cloudwatch = emulator.module("services.cloudwatch")
    put = cloudwatch._put_dashboard

    def put_dashboard(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        given = data if is_cbor or is_json else nested(params)
        try:
            check(str(given.get("DashboardName", "")), given.get("DashboardBody"))
        except DashboardError as exc:
            return cloudwatch._error("InvalidParameterInput", str(exc), 400, is_json, is_cbor)
        return put(params, data, is_cbor, is_json)

    cloudwatch._put_dashboard = put_dashboard
    for name in ("_put_dashboard", "_get_dashboard", "_delete_dashboards", "_list_dashboards",
                 "cloudformation_put_dashboard", "cloudformation_delete_dashboard"):  # fmt: skip
        setattr(cloudwatch, name, _everywhere(getattr(cloudwatch, name)))


def _everywhere(action: Callable[..., Any]) -> Callable[..., Any]:
    def acting(*arguments: Any, **named: Any) -> Any:
        responses = emulator.module("core.responses")
        with responses.request_scope(responses.get_account_id(), _REGION):
            return action(*arguments, **named)

    return acting


def exists(name: str) -> bool:
    """Whether the account has a dashboard of that name."""
    responses = emulator.module("core.responses")
    with responses.request_scope(responses.get_account_id(), _REGION):
        return name in emulator.module("services.cloudwatch")._dashboards
