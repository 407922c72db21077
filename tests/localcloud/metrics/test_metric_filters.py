"""Metric filters: what they make of lines, and what they refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.metrics import filters
from tests.localcloud.conftest import Cloud
from tests.localcloud.metrics.metrics_harness import statistic

Until = Callable[..., None]


class Group:
    """A log group with one stream."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.logs, self.name = cloud.client("logs"), name
        self.cloudwatch = cloud.client("cloudwatch")
        self.logs.create_log_group(logGroupName=name)
        self.logs.create_log_stream(logGroupName=name, logStreamName="s")

    def filter(self, pattern: str, metric: str, value: str = "1", **more: Any) -> None:
        transformation = {"metricName": metric, "metricNamespace": self.name, "metricValue": value, **more}
        self.logs.put_metric_filter(
            logGroupName=self.name, filterName=metric, filterPattern=pattern,
            metricTransformations=[transformation],
        )  # fmt: skip

    def write(self, *lines: Any) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.logs.put_log_events(logGroupName=self.name, logStreamName="s", logEvents=[
            {"timestamp": int(time.time() * 1000), "message": text} for text in texts
        ])  # fmt: skip

    def values(self, metric: str, stat: str = "Sum", **dimensions: str) -> list[float]:
        return statistic(self.cloudwatch, self.name, metric, stat, **dimensions)


def test_lines_that_match_are_counted_and_measured(quick_cloud: Cloud) -> None:
    group = Group(quick_cloud, "measured")
    group.filter("ERROR", "Errors")
    group.filter("{ $.status >= 500 }", "Failures", unit="Count")
    group.filter("{ $.ms = * }", "Latency", "$.ms", unit="Milliseconds")
    group.filter("{ $.ms = * }", "ByRoute", "$.ms", dimensions={"Route": "$.route"})
    group.filter("[host, status = 4*, bytes]", "Bytes", "$bytes")
    group.write("an ERROR", "all well", "web 404 17", {"status": 503, "ms": 20, "route": "/echo"},
                {"status": 200, "ms": 10}, {"ms": "slow", "route": "/echo"})  # fmt: skip
    assert sum(group.values("Errors")) == 1
    assert sum(group.values("Failures")) == 1
    assert sum(group.values("Latency")) == 30, "what is no number is not measured"
    assert max(group.values("Latency", "Maximum")) == 20
    assert sum(group.values("ByRoute", Route="/echo")) == 20, "nor what lacks a dimension"
    assert sum(group.values("Bytes")) == 17
    group.logs.delete_metric_filter(logGroupName="measured", filterName="Errors")
    group.write("an ERROR")
    assert sum(group.values("Errors")) == 1


def test_the_default_is_published_for_minutes_whose_lines_did_not_match(
    quick_cloud: Cloud, until: Until
) -> None:
    group = Group(quick_cloud, "defaults")
    group.filter("ERROR", "Errors", defaultValue=0)
    group.write("all well")
    until(lambda: group.values("Errors"))
    assert set(group.values("Errors")) == {0}
    group.write("an ERROR")
    until(lambda: max(group.values("Errors")) == 1)


def test_metrics_of_what_rules_write_into_a_log_group(quick_cloud: Cloud) -> None:
    group, events = Group(quick_cloud, "/aws/events/filtered"), quick_cloud.client("events")
    group.filter('{ ($.detail-type = "Told") && ($.detail.stopCode != "Planned") }', "Unplanned")
    events.put_rule(Name="filtered", EventPattern='{"source": ["filtered"]}')
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/filtered:*"
    events.put_targets(Rule="filtered", Targets=[{"Id": "1", "Arn": arn}])
    for code in ("Planned", "Crash"):
        detail = json.dumps({"stopCode": code})
        events.put_events(Entries=[{"Source": "filtered", "DetailType": "Told", "Detail": detail}])
    assert sum(group.values("Unplanned")) == 1


def test_a_stack_makes_changes_and_deletes_one(quick_cloud: Cloud) -> None:
    logs = quick_cloud.client("logs")

    def template(pattern: str, name: str | None = None, **more: Any) -> dict[str, Any]:
        filtered = {"LogGroupName": {"Ref": "Group"}, "FilterPattern": pattern, "MetricTransformations": [{
            "MetricName": "Errors", "MetricNamespace": {"Ref": "AWS::StackName"}, "MetricValue": "1",
            "DefaultValue": 0, **more}]}  # fmt: skip
        if name:
            filtered["FilterName"] = name
        return {"Resources": {
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "filter-stack"}},
            "Filter": {"Type": "AWS::Logs::MetricFilter", "Properties": filtered},
        }}  # fmt: skip

    def found() -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = logs.describe_metric_filters(logGroupName="filter-stack")[
            "metricFilters"
        ]
        return kept

    stack = quick_cloud.deploy("filters", template("{ $.a = 1 }"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", quick_cloud.failures("filters")
    assert [one["filterPattern"] for one in found()] == ["{ $.a = 1 }"]
    assert found()[0]["metricTransformations"][0]["metricNamespace"] == "filters"
    quick_cloud.deploy("filters", template("{ $.a = 2 }"), "UPDATE")
    assert [one["filterPattern"] for one in found()] == ["{ $.a = 2 }"]
    change = quick_cloud.change_set("filters", template("{ $.a = 2 }", "named"), "UPDATE")
    assert change["Changes"][0]["ResourceChange"]["Replacement"] == "True"
    quick_cloud.execute(change)
    assert [one["filterName"] for one in found()] == ["named"]
    broken = quick_cloud.deploy("filters", template("{ $.a = "), "UPDATE")
    assert broken["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [one["filterPattern"] for one in found()] == ["{ $.a = 2 }"]
    quick_cloud.delete("filters")
    wrong = template("ERROR", Dimensions=[{"Key": "Route", "Value": "$.route"}])
    assert quick_cloud.deploy("filters-wrong", wrong)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any("defaultValue" in reason for _, _, reason in quick_cloud.failures("filters-wrong"))


@pytest.mark.parametrize(("more", "words"), [
    ({"metricValue": "many"}, "neither a number nor a field"), ({"metricName": "a:b"}, "metricName"),
    ({"dimensions": {"A": "constant"}}, "is a field"),
    ({"dimensions": dict.fromkeys("abcd", "$.x")}, "3 dimensions"),
    ({"dimensions": {"A": "$.a"}, "defaultValue": 0}, "no defaultValue"),
])  # fmt: skip
def test_what_a_filter_cannot_be(more: dict[str, Any], words: str) -> None:
    transformation = {"metricName": "m", "metricNamespace": "n", "metricValue": "1", **more}
    assert words in filters.problem({"metricTransformations": [transformation]}, 0)


def test_filters_are_limited_and_their_patterns_checked(quick_cloud: Cloud) -> None:
    assert "100 metric filters" in filters.problem({"metricTransformations": [
        {"metricName": "m", "metricNamespace": "n", "metricValue": "$.v"}]}, 100)  # fmt: skip
    group = Group(quick_cloud, "checked")
    with pytest.raises(ClientError, match="InvalidParameterException"):
        group.filter("{ $.a = ", "m")
    with pytest.raises(ClientError, match="neither a number"):
        group.filter("x", "m", "many")
