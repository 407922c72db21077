"""Alarms and metrics over CloudWatch's API."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.ecs.cloud_harness import LocalCloud, until
from tests.localcloud.metrics.metrics_harness import statistic

State = Callable[[str], str]


@pytest.fixture
def cloudwatch(fast_cloud: LocalCloud) -> Any:
    return fast_cloud.client("cloudwatch")


def _alarm(cloudwatch: Any, name: str, **more: Any) -> None:
    single = {} if "Metrics" in more else {
        "Namespace": "N", "MetricName": "m", "Period": 60, "Statistic": "Sum",
        "Dimensions": [{"Name": "D", "Value": "one"}],
    }  # fmt: skip
    cloudwatch.put_metric_alarm(**{
        "AlarmName": name, "EvaluationPeriods": 1, "Threshold": 5, "TreatMissingData": "notBreaching",
        "ComparisonOperator": "GreaterThanThreshold", **single, **more,
    })  # fmt: skip


def _put(cloudwatch: Any, value: float, dimension: str = "one", **more: Any) -> None:
    datum = {"MetricName": "m", "Dimensions": [{"Name": "D", "Value": dimension}], "Value": value, **more}
    cloudwatch.put_metric_data(Namespace="N", MetricData=[datum])


def _state(cloudwatch: Any, name: str) -> str:
    found = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    (alarm,) = found["MetricAlarms"] + found["CompositeAlarms"]
    return str(alarm["StateValue"])


def _math(expression: str) -> list[dict[str, Any]]:
    metric = {"Namespace": "N", "MetricName": "m", "Dimensions": [{"Name": "D", "Value": "one"}]}
    return [
        {"Id": "result", "Expression": expression},
        {"Id": "m1", "ReturnData": False, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}},
    ]


def test_an_alarm_looks_at_its_own_dimensions_and_composites_follow(cloudwatch: Any) -> None:
    _alarm(cloudwatch, "one")
    _alarm(cloudwatch, "two", Dimensions=[{"Name": "D", "Value": "two"}])
    _alarm(cloudwatch, "math", Metrics=_math("FILL(m1, 0) * 2"), Threshold=19)
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(one) AND NOT ALARM(two)")
    until(lambda: {_state(cloudwatch, name) for name in ("one", "two", "math")} == {"OK"})

    def raised() -> bool:
        _put(cloudwatch, 10)
        return all(_state(cloudwatch, name) == "ALARM" for name in ("one", "math", "both"))

    until(raised)
    assert _state(cloudwatch, "two") == "OK"
    until(lambda: all(_state(cloudwatch, name) == "OK" for name in ("one", "math", "both")))
    alarm = cloudwatch.describe_alarms(AlarmNames=["math"])["MetricAlarms"][0]
    assert alarm["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [0.0] was not ")
    assert json.loads(alarm["StateReasonData"])["recentDatapoints"] == [0.0]


def test_a_state_that_was_set_lasts_until_the_next_evaluation(cloudwatch: Any) -> None:
    _alarm(cloudwatch, "calm")
    _alarm(cloudwatch, "kept", TreatMissingData="ignore")
    until(lambda: _state(cloudwatch, "calm") == "OK")
    for name in ("calm", "kept"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="to see")
        assert _state(cloudwatch, name) == "ALARM"
    until(lambda: _state(cloudwatch, "calm") == "OK")
    assert _state(cloudwatch, "kept") == "ALARM", "nothing came that could change it"
    items = cloudwatch.describe_alarm_history(AlarmName="calm", HistoryItemType="StateUpdate")
    assert [item["HistorySummary"] for item in items["AlarmHistoryItems"]][:2] == [
        "Alarm updated from ALARM to OK", "Alarm updated from OK to ALARM"
    ]  # fmt: skip


def test_actions_are_taken_only_while_they_are_enabled(fast_cloud: LocalCloud, cloudwatch: Any) -> None:
    queue = fast_cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    sns = fast_cloud.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:q")
    _alarm(cloudwatch, "silent", AlarmActions=[topic], TreatMissingData="breaching")
    cloudwatch.disable_alarm_actions(AlarmNames=["silent"])
    until(lambda: _state(cloudwatch, "silent") == "ALARM")
    _alarm(cloudwatch, "loud", AlarmActions=[topic], TreatMissingData="breaching")
    told: list[str] = []

    def heard() -> bool:
        found = fast_cloud.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        bodies = [json.loads(message["Body"]) for message in found.get("Messages", [])]
        told.extend(json.loads(body["Message"])["AlarmName"] for body in bodies)
        return bool(told)

    until(heard)
    assert told == ["loud"]


@pytest.mark.parametrize("more", [
    {"Metrics": _math("SEARCH('x', 'Sum')")}, {"Metrics": _math("m2 + 1")}, {"Metrics": _math("m1 +")},
    {"ComparisonOperator": "LessThanLowerThreshold"},
])  # fmt: skip
def test_what_cannot_be_evaluated_is_refused(cloudwatch: Any, more: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"SEARCH|m2|unexpected|LessThanLowerThreshold"):
        _alarm(cloudwatch, "no", **more)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_metrics_of_clients_and_of_log_lines(fast_cloud: LocalCloud, cloudwatch: Any) -> None:
    _put(cloudwatch, 0, Values=[1.0, 2.0, 10.0], Counts=[5, 4, 1])
    _put(cloudwatch, 7, dimension="two")
    assert sum(statistic(cloudwatch, "N", "m", "SampleCount", D="one")) == 10
    assert max(statistic(cloudwatch, "N", "m", "Maximum", D="two")) == 7
    assert statistic(cloudwatch, "N", "m", "Sum") == [], "without dimensions it is another metric"
    now = datetime.now(UTC)
    hour = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(seconds=1)}
    points = cloudwatch.get_metric_statistics(
        Namespace="N", MetricName="m", Dimensions=[{"Name": "D", "Value": "one"}], **hour, Period=3600,
        Statistics=["Sum"], ExtendedStatistics=["p50", "p100"],
    )["Datapoints"]  # fmt: skip
    assert sum(point["Sum"] for point in points) == 23
    assert [p["ExtendedStatistics"] for p in points] == [{"p50": 1.5, "p100": 10.0}]
    doubled = cloudwatch.get_metric_data(MetricDataQueries=_math("m1 * 2"), **hour)["MetricDataResults"]
    assert [(result["Id"], result["Values"]) for result in doubled] == [("result", [20.0])]

    logs = fast_cloud.client("logs")
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    line = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [{
            "Namespace": "EchoRoom", "Dimensions": [["Environment"]],
            "Metrics": [{"Name": "Requests", "Unit": "Count"}, {"Name": "Times", "Unit": "Milliseconds"}],
        }]},
        "Environment": "local", "Requests": 3, "Times": [1, 2],
    }  # fmt: skip
    logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[
        {"timestamp": int(time.time() * 1000), "message": text}
        for text in (json.dumps(line), "{\"_aws\": \"no metrics\"}", "a line")
    ])  # fmt: skip
    assert statistic(cloudwatch, "EchoRoom", "Requests", "Sum", Environment="local") == [3]
    assert statistic(cloudwatch, "EchoRoom", "Times", "Average", Environment="local") == [1.5]
    listed = cloudwatch.list_metrics(Namespace="EchoRoom", Dimensions=[{"Name": "Environment"}])["Metrics"]
    assert {metric["MetricName"] for metric in listed} == {"Requests", "Times"}

    form = urllib.parse.urlencode({
        "Action": "GetMetricStatistics", "Namespace": "N", "MetricName": "m", "Period": "3600",
        "StartTime": hour["StartTime"].isoformat(), "EndTime": hour["EndTime"].isoformat(),
        "Dimensions.member.1.Name": "D", "Dimensions.member.1.Value": "two", "Statistics.member.1": "Sum",
    })  # fmt: skip
    credential = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/monitoring/aws4_request"
    request = urllib.request.Request(fast_cloud.url, form.encode(), {"Authorization": credential})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert b"<Sum>7.0</Sum>" in answer.read()


def test_services_publish_what_their_tasks_use(fast_cloud: LocalCloud, cloudwatch: Any) -> None:
    group = fast_cloud.balancer()
    fast_cloud.client("ecs").create_cluster(
        clusterName="c", settings=[{"name": "containerInsights", "value": "enabled"}]
    )
    fast_cloud.service(fast_cloud.task_definition(fast_cloud.push()), group, count=1)
    where = {"ClusterName": "c", "ServiceName": "s"}
    until(lambda: statistic(cloudwatch, "AWS/ECS", "MemoryUtilization", "Average", **where))
    assert 0 < statistic(cloudwatch, "AWS/ECS", "MemoryUtilization", "Maximum", **where)[-1] < 100
    assert statistic(cloudwatch, "AWS/ECS", "CPUUtilization", "Average", **where)[-1] >= 0
    until(lambda: 1 in statistic(cloudwatch, "ECS/ContainerInsights", "RunningTaskCount", "Maximum", **where))
    assert set(statistic(cloudwatch, "ECS/ContainerInsights", "DesiredTaskCount", "Maximum", **where)) == {1}


def test_a_composite_alarm_of_a_template_is_evaluated_too(fast_cloud: LocalCloud, cloudwatch: Any) -> None:
    single = {
        "AlarmName": "child", "Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": "1", "Threshold": "5", "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "breaching",
    }  # fmt: skip
    parent = {"AlarmName": "parent", "AlarmRule": {"Fn::Sub": 'ALARM("${Child}")'}}
    resources = {
        "Child": {"Type": "AWS::CloudWatch::Alarm", "Properties": single},
        "Parent": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": parent},
    }
    cfn = fast_cloud.client("cloudformation")
    cfn.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
    until(lambda: cfn.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    until(lambda: (_state(cloudwatch, "child"), _state(cloudwatch, "parent")) == ("ALARM", "ALARM"))
