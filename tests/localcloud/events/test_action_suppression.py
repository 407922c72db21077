"""Composite alarms whose actions a suppressor holds back, as the user guide's examples have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.metrics import suppression
from tests.localcloud.conftest import Cloud

Until = Callable[..., None]


class Suppressed:
    """A composite alarm, its one child, its suppressor, and what its actions told."""

    def __init__(self, cloud: Cloud, queue: Any, name: str, wait: int, extension: int) -> None:
        self.cloudwatch, self.queue = cloud.client("cloudwatch"), queue(name)
        sns = cloud.client("sns")
        topic = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.queue.arn)
        self.name, self.child, self.suppressor = name, f"{name}-child", f"{name}-suppressor"
        for alarm in (self.child, self.suppressor):
            self.cloudwatch.put_metric_alarm(
                AlarmName=alarm, Namespace="Suppression", MetricName=alarm, Period=60, Statistic="Sum",
                EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
                TreatMissingData="ignore",
            )  # fmt: skip
            self.set(alarm, "OK")
        self.put(wait, extension)

    def put(self, wait: int, extension: int, **more: Any) -> None:
        topic = f"arn:aws:sns:us-east-1:000000000000:{self.name}"
        self.cloudwatch.put_composite_alarm(**{
            "AlarmName": self.name, "AlarmRule": f"ALARM({self.child})", "AlarmActions": [topic],
            "OKActions": [], "ActionsSuppressor": self.suppressor, "ActionsSuppressorWaitPeriod": wait,
            "ActionsSuppressorExtensionPeriod": extension, **more,
        })  # fmt: skip

    def set(self, alarm: str, state: str) -> None:
        self.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="to see")

    def described(self) -> dict[str, Any]:
        found = self.cloudwatch.describe_alarms(AlarmNames=[self.name], AlarmTypes=["CompositeAlarm"])
        alarm: dict[str, Any] = found["CompositeAlarms"][0]
        return alarm

    def by(self) -> str:
        found = self.described()
        by = str(found.get("ActionsSuppressedBy", ""))
        assert found.get("ActionsSuppressedReason", "").endswith(by)
        return by

    def told(self) -> list[str]:
        return [json.loads(document["Message"])["NewStateValue"] for document in self.queue.documents()]


#: So long, in the alarm's seconds, that it does not end while a test looks.
LONG = 36_000


def test_actions_wait_and_are_taken_when_the_suppressor_stays_calm(
    quick_cloud: Cloud, queue: Any, until: Until
) -> None:
    alarm = Suppressed(quick_cloud, queue, "calm", wait=60, extension=60)
    until(lambda: alarm.by() == "")
    alarm.set(alarm.child, "ALARM")
    until(lambda: alarm.told() == ["ALARM"])
    assert alarm.by() == ""
    assert alarm.described()["StateValue"] == "ALARM"


def test_a_suppressor_in_time_holds_them_back_until_the_extension_is_over(
    quick_cloud: Cloud, queue: Any, until: Until
) -> None:
    alarm = Suppressed(quick_cloud, queue, "held", wait=LONG, extension=60)
    alarm.set(alarm.child, "ALARM")
    assert (alarm.described()["StateValue"], alarm.by()) == ("ALARM", "WaitPeriod")
    alarm.set(alarm.suppressor, "ALARM")
    assert alarm.by() == "Alarm"
    assert alarm.told() == []
    alarm.set(alarm.suppressor, "OK")
    until(lambda: alarm.told() == ["ALARM"])
    assert alarm.by() == ""


def test_a_change_of_state_in_the_extension_begins_to_wait_anew(quick_cloud: Cloud, queue: Any) -> None:
    alarm = Suppressed(quick_cloud, queue, "anew", wait=LONG, extension=LONG)
    alarm.set(alarm.suppressor, "ALARM")
    alarm.set(alarm.child, "ALARM")
    assert alarm.by() == "Alarm"
    alarm.set(alarm.suppressor, "OK")
    assert alarm.by() == "ExtensionPeriod"
    alarm.set(alarm.child, "OK")
    assert alarm.by() == "WaitPeriod"
    assert alarm.told() == []


def test_periods_of_no_length_hold_nothing_back(quick_cloud: Cloud, queue: Any, until: Until) -> None:
    alarm = Suppressed(quick_cloud, queue, "short", wait=0, extension=0)
    alarm.set(alarm.suppressor, "ALARM")
    alarm.set(alarm.child, "ALARM")
    assert (alarm.by(), alarm.told()) == ("Alarm", [])
    alarm.set(alarm.suppressor, "OK")
    until(lambda: alarm.told() == ["ALARM"])


def test_another_suppressor_ends_the_period_and_what_cannot_be_is_refused(
    quick_cloud: Cloud, queue: Any
) -> None:
    alarm = Suppressed(quick_cloud, queue, "other", wait=LONG, extension=LONG)
    alarm.set(alarm.child, "ALARM")
    alarm.put(LONG, LONG)
    assert alarm.by() == "WaitPeriod", "nothing about the suppressor has changed"
    alarm.put(LONG, LONG, ActionsSuppressor=f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{alarm.child}")
    assert alarm.by() == ""
    for wrong in ({"ActionsSuppressor": "nobody"}, {"ActionsSuppressorWaitPeriod": -1}):
        with pytest.raises(ClientError, match=r"nobody does not exist|must not be negative"):
            alarm.put(LONG, LONG, **wrong)
    with pytest.raises(ClientError, match="ActionsSuppressorWaitPeriod"):
        alarm.cloudwatch.put_composite_alarm(
            AlarmName="x", AlarmRule=f"ALARM({alarm.child})", ActionsSuppressor=alarm.suppressor
        )


def test_settings_are_numbers() -> None:
    assert suppression.settings({"AlarmName": "x"}) == {}
    with pytest.raises(suppression.SuppressorError, match="ActionsSuppressor is missing"):
        suppression.settings({"ActionsSuppressorWaitPeriod": 1, "ActionsSuppressorExtensionPeriod": 1})
