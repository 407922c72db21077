"""What CloudWatch publishes when an alarm changes state."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

from localcloud import emulator
from localcloud.alerts.envelope import REGIONS

log = logging.getLogger("localcloud.alerts")

Alarm = dict[str, Any]

#: The list of an alarm that a state sets off.
_ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def publish(alarm: Alarm, old: str, new: str, reason: str) -> None:
    """Publish a change of state to the topics that the alarm names for it.

    Needs the account and region of the request to be set.
    """
    actions = alarm.get(_ACTIONS.get(new, "")) or []
    topics = [str(arn) for arn in actions if ":sns:" in str(arn)]
    if not topics or not alarm.get("ActionsEnabled", True):
        return
    region = emulator.module("core.responses").get_region()
    subject = f'{new}: "{alarm["AlarmName"]}" in {REGIONS.get(region, region)}'
    message = json.dumps(_message(alarm, old, new, reason))
    for topic in topics:
        # SNS takes subjects of 100 characters at most.
        published = emulator.module("services.sns").publish_internal(topic, message, subject[:100])
        _remember(alarm, topic, published is not None)
        if published is None:
            log.warning("alarm %s: its topic %s does not exist", alarm["AlarmName"], topic)


def _remember(alarm: Alarm, topic: str, succeeded: bool) -> None:
    """Write the action into the alarm's history."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    emulator.module("services.cloudwatch")._history_entries().append(
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
            "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "HistoryItemType": "Action",
            "HistorySummary": ("Successfully executed" if succeeded else "Failed to execute")
            + f" action {topic}",
            "HistoryData": json.dumps(
                {"actionState": "Succeeded" if succeeded else "Failed", "notificationResource": topic}
            ),
        }
    )


def _message(alarm: Alarm, old: str, new: str, reason: str) -> dict[str, Any]:
    responses = emulator.module("core.responses")
    composite = "AlarmRule" in alarm
    region = responses.get_region()
    return {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": responses.get_account_id(),
        "NewStateValue": new,
        "NewStateReason": reason,
        "StateChangeTime": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": REGIONS.get(region, region),
        "AlarmArn": alarm.get("AlarmArn", ""),
        "OldStateValue": old,
        "OKActions": alarm.get("OKActions") or [],
        "AlarmActions": alarm.get("AlarmActions") or [],
        "InsufficientDataActions": alarm.get("InsufficientDataActions") or [],
        **({"AlarmRule": alarm["AlarmRule"]} if composite else {"Trigger": _trigger(alarm)}),
    }


def _trigger(alarm: Alarm) -> dict[str, Any]:
    common = {
        "Period": alarm.get("Period"),
        "EvaluationPeriods": alarm.get("EvaluationPeriods"),
        "DatapointsToAlarm": alarm.get("DatapointsToAlarm"),
        "ComparisonOperator": alarm.get("ComparisonOperator"),
        "Threshold": alarm.get("Threshold"),
        "TreatMissingData": alarm.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile") or "",
    }
    if alarm.get("Metrics"):
        return {**_given(common), "Metrics": alarm["Metrics"]}
    single = {
        "MetricName": alarm.get("MetricName"),
        "Namespace": alarm.get("Namespace"),
        "StatisticType": "ExtendedStatistic" if alarm.get("ExtendedStatistic") else "Statistic",
        "Statistic": str(alarm.get("Statistic") or "").upper() or None,
        "ExtendedStatistic": alarm.get("ExtendedStatistic"),
        "Unit": alarm.get("Unit"),
        "Dimensions": [
            {"value": dimension["Value"], "name": dimension["Name"]}
            for dimension in alarm.get("Dimensions") or []
            if isinstance(dimension, dict)
        ],
    }
    return _given(single | common)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
