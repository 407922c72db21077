"""Metrics in log lines: CloudWatch's embedded metric format."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from localcloud import emulator
from localcloud.metrics.store import STORE

log = logging.getLogger("localcloud.metrics")


def take(message: str, milliseconds: int) -> None:
    """Store the metrics of a log line, if there are any; the region must be set.

    A line that is not in the format is just a line, as on AWS.
    """
    if '"_aws"' not in message:
        return
    try:
        document = json.loads(message)
        about = document["_aws"]
        for directive in about["CloudWatchMetrics"]:
            _directive(document, directive, float(about.get("Timestamp", milliseconds)) / 1000)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        log.debug("a log line is not in the embedded metric format: %s", exc)


def _directive(document: Mapping[str, Any], directive: Mapping[str, Any], at: float) -> None:
    for names in directive.get("Dimensions") or [[]]:
        dimensions = {name: str(document[name]) for name in names}
        for metric in directive["Metrics"]:
            value = document.get(metric["Name"])
            if value is None:
                continue
            unit = metric.get("Unit", "None")
            found = STORE.metric(directive["Namespace"], metric["Name"], dimensions, unit).at(at)
            if isinstance(value, dict):
                for each, count in zip(value["Values"], value["Counts"], strict=True):
                    found.add(float(each), float(count))
            else:
                for each in value if isinstance(value, list) else [value]:
                    found.add(float(each))


def install() -> None:
    """Look at every line that is put into a log group."""
    logs = emulator.module("services.cloudwatch_logs")
    put = logs._put_log_events

    def put_log_events(data: dict[str, Any]) -> Any:
        answer = put(data)
        if answer[0] < 400:
            for event in data.get("logEvents") or []:
                take(event.get("message", ""), event.get("timestamp", 0))
        return answer

    logs._put_log_events = put_log_events
