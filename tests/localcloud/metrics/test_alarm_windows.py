"""Alarms with periods much longer than a minute see the last minutes too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.localcloud.conftest import Cloud


def test_a_period_of_a_day_ends_with_the_last_minute(quick_cloud: Cloud, until: Callable[..., None]) -> None:
    cloudwatch = quick_cloud.client("cloudwatch")
    metric = {"Namespace": "Windows", "MetricName": "m"}
    common = {"EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold",
              "TreatMissingData": "notBreaching"}  # fmt: skip
    cloudwatch.put_metric_alarm(AlarmName="day", Period=86400, Statistic="Sum", **metric, **common)
    stat = {"Metric": metric, "Period": 86400, "Stat": "Sum"}
    cloudwatch.put_metric_alarm(AlarmName="day-math", **common, Metrics=[
        {"Id": "e1", "Expression": "m1 * 2"}, {"Id": "m1", "ReturnData": False, "MetricStat": stat},
    ])  # fmt: skip

    def states() -> set[str]:
        found: list[dict[str, Any]] = cloudwatch.describe_alarms(AlarmNamePrefix="day")["MetricAlarms"]
        return {alarm["StateValue"] for alarm in found}

    until(lambda: states() == {"OK"})
    for value in (3, 4):
        cloudwatch.put_metric_data(Namespace="Windows", MetricData=[{"MetricName": "m", "Value": value}])
    until(lambda: states() == {"ALARM"})
