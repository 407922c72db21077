"""CloudWatch: metrics and alarms. Cases of evaluation over time belong here as well."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import Account


@pytest.fixture
def alarm(account: Account, name: str, cleanup: ExitStack) -> str:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace=name, MetricName="Load", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    cleanup.callback(cloudwatch.delete_alarms, AlarmNames=[name])
    return name


def described(account: Account, name: str) -> dict[str, Any]:
    (found,) = account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def test_a_new_alarm_has_no_data_and_acts(account: Account, alarm: str) -> None:
    found = described(account, alarm)
    assert (found["StateValue"], found["ActionsEnabled"]) == ("INSUFFICIENT_DATA", True)
    assert found["TreatMissingData"] == "ignore"


def test_a_state_that_is_set_is_told_with_its_reason_and_remembered(account: Account, alarm: str) -> None:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="tried")
    account.until(lambda: described(account, alarm)["StateReason"] == "tried")
    history = account.until(
        lambda: cloudwatch.describe_alarm_history(AlarmName=alarm, HistoryItemType="StateUpdate")[
            "AlarmHistoryItems"
        ]
    )
    assert "from INSUFFICIENT_DATA to ALARM" in history[0]["HistorySummary"]


def test_a_state_outside_of_the_three_is_refused(account: Account, alarm: str) -> None:
    cloudwatch = account.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.ClientError):
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="BROKEN", StateReason="tried")
    assert described(account, alarm)["StateValue"] == "INSUFFICIENT_DATA"


def test_what_explains_a_state_is_json(account: Account, alarm: str) -> None:
    cloudwatch = account.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.InvalidFormatFault):
        cloudwatch.set_alarm_state(
            AlarmName=alarm, StateValue="ALARM", StateReason="tried", StateReasonData="{no"
        )
    assert described(account, alarm)["StateValue"] == "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    "members",
    [
        {"Period": 61},
        {"Statistic": "Median"},
        {"ExtendedStatistic": "p99"},
        {"ComparisonOperator": "Above"},
        {"TreatMissingData": "perhaps"},
        {"EvaluationPeriods": 1, "DatapointsToAlarm": 2},
        {"Unit": "Parsecs"},
        {"AlarmActions": [f"arn:aws:sns:us-east-1:000000000000:{number}" for number in range(6)]},
        {"Metrics": [{"Id": "m", "Expression": "1"}]},
    ],
    ids=lambda members: next(iter(members)),
)
def test_an_alarm_that_could_not_be_evaluated_is_refused(
    account: Account, name: str, members: dict[str, Any]
) -> None:
    cloudwatch = account.client("cloudwatch")
    alarm = {
        "AlarmName": name, "Namespace": name, "MetricName": "Load", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip
    with pytest.raises(cloudwatch.exceptions.ClientError, match=r"ValidationError"):
        cloudwatch.put_metric_alarm(**{**alarm, **members})
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


@pytest.mark.parametrize("missing", ["Namespace", "Statistic", "Period", "Threshold"])
def test_an_alarm_on_a_metric_is_complete(account: Account, name: str, missing: str) -> None:
    cloudwatch = account.client("cloudwatch")
    alarm = {
        "Namespace": name, "MetricName": "Load", "Statistic": "Sum", "Period": 60, "Threshold": 1,
    }  # fmt: skip
    del alarm[missing]
    with pytest.raises(cloudwatch.exceptions.ClientError, match=r"ValidationError"):
        cloudwatch.put_metric_alarm(
            AlarmName=name, EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold", **alarm
        )


@pytest.mark.parametrize("rule", ['ALARM("conformance-none")', "ALARM(", "PERHAPS(x)"])
def test_a_composite_alarm_needs_a_rule_on_alarms_that_are_there(
    account: Account, name: str, rule: str
) -> None:
    cloudwatch = account.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.ClientError, match=r"ValidationError"):
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule)


def test_an_alarm_that_another_one_depends_on_stays(account: Account, alarm: str, cleanup: ExitStack) -> None:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_composite_alarm(AlarmName=f"{alarm}-c", AlarmRule=f'ALARM("{alarm}")')
    cleanup.callback(cloudwatch.delete_alarms, AlarmNames=[f"{alarm}-c"])
    with pytest.raises(cloudwatch.exceptions.ClientError, match=r"ValidationError"):
        cloudwatch.delete_alarms(AlarmNames=[alarm])
    assert described(account, alarm)["AlarmName"] == alarm


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        (
            {
                "Value": 1.0,
                "StatisticValues": dict.fromkeys(("SampleCount", "Sum", "Minimum", "Maximum"), 1.0),
            },
            "InvalidParameterCombination",
        ),
        ({"Values": [float(number) for number in range(151)]}, "InvalidParameterValue|ValidationError"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": 1e300}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": datetime(2020, 1, 1, tzinfo=UTC)}, "InvalidParameterValue"),
        ({"Value": 1.0, "Unit": "Parsecs"}, "ValidationError|InvalidParameterValue"),
    ],
    ids=["value and set", "too many", "counts", "too large", "too old", "unit"],
)
def test_data_that_is_wrong_is_refused(account: Account, name: str, datum: dict[str, Any], code: str) -> None:
    cloudwatch = account.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.ClientError, match=code):
        cloudwatch.put_metric_data(Namespace=name, MetricData=[{"MetricName": "Load", **datum}])


def test_the_state_of_an_alarm_that_is_not_there_cannot_be_set(account: Account, name: str) -> None:
    cloudwatch = account.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.ResourceNotFound):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="tried")


def test_a_composite_alarm_follows_its_rule(account: Account, alarm: str, cleanup: ExitStack) -> None:
    cloudwatch = account.client("cloudwatch")
    composite = f"{alarm}-composite"
    cloudwatch.put_composite_alarm(AlarmName=composite, AlarmRule=f'ALARM("{alarm}")')
    cleanup.callback(cloudwatch.delete_alarms, AlarmNames=[composite])

    def state() -> str:
        found = cloudwatch.describe_alarms(AlarmNames=[composite], AlarmTypes=["CompositeAlarm"])
        return str(found["CompositeAlarms"][0]["StateValue"])

    account.until(lambda: state() == "OK")
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="tried")
    account.until(lambda: state() == "ALARM")


def test_data_is_summed_per_period(account: Account, name: str) -> None:
    cloudwatch = account.client("cloudwatch")
    moment = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    data = [
        {"MetricName": "Load", "Timestamp": moment + timedelta(seconds=at), "Value": value}
        for at, value in ((0, 1.0), (30, 2.0), (60, 4.0))
    ]
    cloudwatch.put_metric_data(Namespace=name, MetricData=data)

    def points() -> Any:
        found = cloudwatch.get_metric_statistics(
            Namespace=name, MetricName="Load", StartTime=moment, EndTime=moment + timedelta(minutes=2),
            Period=60, Statistics=["Sum", "Maximum", "SampleCount"],
        )["Datapoints"]  # fmt: skip
        return found if len(found) == 2 else None

    first, second = sorted(account.until(points), key=lambda point: point["Timestamp"])
    assert (first["Sum"], first["Maximum"], first["SampleCount"]) == (3.0, 2.0, 2.0)
    assert (second["Sum"], second["Timestamp"] - first["Timestamp"]) == (4.0, timedelta(minutes=1))
