"""Drills of an alarm's last link: it is set off by hand, and somebody has to be told."""

from __future__ import annotations

import json
from collections.abc import Container

from stack.drill.drill import Drill, NotHereError
from stack.drill.stage import Stage

# Deployments hold some alarms' actions back, and for a while after their end.
_MINUTES = 15.0
_TYPES = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


def certificate(stage: Stage) -> None:
    """Set off the certificate's alarm, as no certificate can be aged; the ticket it sends is the drill."""
    topic = stage.resource("monitoring", "TicketTopic")
    _set_off(stage, "monitoring", "CertificateAlarm", {topic})


def pages(stage: Stage) -> None:
    """Set off every alarm that pages, one after the other; what would set them off by itself is no part."""
    topics = {
        one.physical_id
        for stack in stage.cloud.environment.stacks
        for one in stage.resources(stack)
        if one.logical_id == "PageTopic"
    }
    found = [
        (stack, name) for stack in stage.cloud.environment.stacks for name in _telling(stage, stack, topics)
    ]
    if not found:
        raise NotHereError(f"{stage.cloud.environment.name} has no alarm that pages")
    if stage.has("monitoring", "DeploymentAlarm"):
        stage.wait_for_calm("monitoring", "DeploymentAlarm", _MINUTES)
    for stack, name in found:
        _set_off(stage, stack, name, topics)


def _telling(stage: Stage, stack: str, topics: Container[str]) -> list[str]:
    """Logical ids of a stack's alarms that tell one of these topics."""
    names = {one.physical_id: one.logical_id for one in stage.resources(stack) if one.type in _TYPES}
    if not names:
        return []
    answers = (
        stage.cloud.of(stack)
        .cloudwatch.get_paginator("describe_alarms")
        .paginate(AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    told = {
        str(alarm["AlarmName"])
        for page in answers
        for alarm in [*page["MetricAlarms"], *page["CompositeAlarms"]]
        if any(action in topics for action in alarm.get("AlarmActions", []))
    }
    return [logical_id for name, logical_id in names.items() if name in told]


def _set_off(stage: Stage, stack: str, logical_id: str, topics: Container[str]) -> None:
    """Set an alarm to ALARM, wait until it has told one of these topics, and set it back."""
    name = stage.resource(stack, logical_id)
    cloudwatch = stage.cloud.of(stack).cloudwatch

    def told() -> bool:
        history = cloudwatch.describe_alarm_history(
            AlarmName=name,
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            HistoryItemType="Action",
            StartDate=stage.began,
        )
        done = [json.loads(one["HistoryData"]) for one in history["AlarmHistoryItems"]]
        return any(
            one.get("actionState") == "Succeeded" and one.get("notificationResource") in topics
            for one in done
        )

    stage.wait_for_calm(stack, logical_id, _MINUTES)
    try:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill: set off by hand")
        stage.wait(f"{logical_id} is set to ALARM by hand, and has told its topic", told, _MINUTES)
    finally:
        # The next evaluation would do so, too; some are daily.
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="the drill is over")


DRILLS = (
    Drill(
        "certificate",
        "The alarm on the certificate's last days is set off by hand.",
        "Its action is taken: a ticket goes out.",
        certificate,
        ("CertificateAlarm",),
    ),
    Drill(
        "pages",
        "Every alarm that pages is set off by hand.",
        "Each one's action is taken: a page goes out.",
        pages,
    ),
)
