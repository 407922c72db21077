"""Rules and their targets over the API, with events that clients put."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud

Until = Callable[..., None]
ROLE = "arn:aws:iam::000000000000:role/events"


def rule(cloud: Cloud, name: str, pattern: dict[str, Any], **target: Any) -> None:
    events = cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", **target}])


def put(cloud: Cloud, source: str, **detail: Any) -> None:
    answer = cloud.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Something", "Detail": json.dumps(detail)}]
    )
    assert answer["FailedEntryCount"] == 0


@pytest.mark.parametrize(("pattern", "hit", "miss"), [
    ({"a": ["x"]}, {"a": "x"}, {"a": "y"}),
    ({"a": [{"prefix": "x"}]}, {"a": "xy"}, {"a": "yx"}),
    ({"a": [{"suffix": "x"}]}, {"a": "yx"}, {"a": "xy"}),
    ({"a": [{"anything-but": ["x"]}]}, {"a": "y"}, {"a": "x"}),
    ({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "yx"}, {"a": "xy"}),
    ({"a": [{"numeric": [">", 1, "<=", 3]}]}, {"a": 3}, {"a": 1}),
    ({"a": [{"exists": False}]}, {"b": 1}, {"a": 1}),
    ({"a": [{"equals-ignore-case": "xY"}]}, {"a": "XY"}, {"a": "x"}),
    ({"a": [{"wildcard": "x*z"}]}, {"a": "xyz"}, {"a": "xy"}),
    ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, {"a": "y"}),
])  # fmt: skip
def test_patterns_match_as_documented(
    quick_cloud: Cloud, pattern: dict[str, Any], hit: dict[str, Any], miss: dict[str, Any]
) -> None:
    events = quick_cloud.client("events")

    def matches(detail: dict[str, Any]) -> bool:
        event = {"id": "1", "source": "s", "detail-type": "t", "account": "1", "region": "r",
                 "time": "2026-01-01T00:00:00Z", "resources": [], "detail": detail}  # fmt: skip
        found = events.test_event_pattern(
            EventPattern=json.dumps({"detail": pattern}), Event=json.dumps(event)
        )
        return bool(found["Result"])

    assert matches(hit)
    assert not matches(miss)


def test_a_target_gets_all_a_part_a_constant_or_what_a_template_makes(quick_cloud: Cloud, queue: Any) -> None:
    whole, part, constant, made = (queue(f"payload-{name}") for name in ("whole", "part", "constant", "made"))
    rule(quick_cloud, "payload-whole", {"source": ["payload"]}, Arn=whole.arn)
    rule(quick_cloud, "payload-part", {"source": ["payload"]}, Arn=part.arn, InputPath="$.detail.list[1]")
    rule(quick_cloud, "payload-constant", {"source": ["payload"]}, Arn=constant.arn, Input='{"a": 1}')
    rule(quick_cloud, "payload-made", {"source": ["payload"]}, Arn=made.arn, InputTransformer={
        "InputPathsMap": {"second": "$.detail.list[1].name", "kind": "$.detail-type", "no": "$.detail.no"},
        "InputTemplate": '"<second> of <kind>, by <aws.events.rule-name>: <no>"',
    })  # fmt: skip
    put(quick_cloud, "payload", list=[1, {"name": "two"}])
    (event,) = whole.documents()
    assert (event["source"], event["detail-type"], event["region"]) == ("payload", "Something", "us-east-1")
    assert event["detail"] == {"list": [1, {"name": "two"}]}
    assert part.documents() == [{"name": "two"}]
    assert constant.documents() == [{"a": 1}]
    assert made.bodies() == ["two of Something, by payload-made: "]


def test_topics_and_log_groups_get_events(quick_cloud: Cloud, queue: Any, until: Until) -> None:
    sns, logs, told = quick_cloud.client("sns"), quick_cloud.client("logs"), queue("by-topic")
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told.arn)
    logs.create_log_group(logGroupName="/aws/events/log")
    group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/log"
    rule(quick_cloud, "to-topic", {"source": ["places"]}, Arn=topic)
    rule(quick_cloud, "to-log", {"source": ["places"]}, Arn=group)
    rule(quick_cloud, "to-log-line", {"source": ["places"]}, Arn=group, InputTransformer={
        "InputPathsMap": {"n": "$.detail.n"},
        "InputTemplate": '{"timestamp": <aws.events.event.ingestion-time>, "message": "number <n>"}',
    })  # fmt: skip
    put(quick_cloud, "places", n=7)
    until(told.documents)
    assert json.loads(told.documents()[0]["Message"])["detail"] == {"n": 7}
    lines = [event["message"] for event in logs.filter_log_events(logGroupName="/aws/events/log")["events"]]
    assert "number 7" in lines
    assert json.loads(next(line for line in lines if line != "number 7"))["detail"] == {"n": 7}
    metrics = quick_cloud.client("cloudwatch").list_metrics(Namespace="AWS/SNS")["Metrics"]
    named = {metric["MetricName"] for metric in metrics if metric["Dimensions"][0]["Value"] == "events"}
    assert named == {"NumberOfNotificationsDelivered"}


def test_what_cannot_be_delivered_is_counted_and_kept(quick_cloud: Cloud, queue: Any) -> None:
    dead = queue("dead-letters")
    nowhere = "arn:aws:sqs:us-east-1:000000000000:nowhere"
    rule(quick_cloud, "lost", {"source": ["lost"]}, Arn=nowhere, DeadLetterConfig={"Arn": dead.arn})
    elsewhere = dead.arn.replace("us-east-1", "eu-west-1")
    rule(quick_cloud, "far", {"source": ["lost"]}, Arn=elsewhere)
    put(quick_cloud, "lost", n=1)
    assert [document["detail"] for document in dead.documents()] == [{"n": 1}]
    found = quick_cloud.client("cloudwatch").list_metrics(Namespace="AWS/Events")["Metrics"]
    counted = {(metric["MetricName"], metric["Dimensions"][0]["Value"]) for metric in found}
    assert {
        ("FailedInvocations", "lost"),
        ("InvocationsSentToDlq", "lost"),
        ("FailedInvocations", "far"),
    } <= counted


@pytest.mark.parametrize(("target", "words"), [
    ({"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}, "cannot reach .*function:f"),
    ({"Arn": "nothing"}, "not in correct format"),
    ({"Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c",
      "EcsParameters": {"TaskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/t"}},
     "RoleArn is required"),
    ({"Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c", "RoleArn": ROLE, "EcsParameters": {
        "TaskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/t",
        "LaunchType": "FARGATE"}}, "NetworkConfiguration"),
    ({"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "Input": "{"}, "not valid JSON"),
    ({"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "InputPath": "detail"}, "no JSON path"),
    ({"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "Input": "1", "InputPath": "$"}, "Only one of"),
])  # fmt: skip
def test_a_target_that_cannot_be_served_is_refused_by_name(
    quick_cloud: Cloud, target: dict[str, Any], words: str
) -> None:
    events = quick_cloud.client("events")
    events.put_rule(Name="refused", EventPattern='{"source": ["never"]}')
    with pytest.raises(ClientError, match=words):
        events.put_targets(Rule="refused", Targets=[{"Id": "1", **target}])
    assert events.list_targets_by_rule(Rule="refused")["Targets"] == []


def test_rules_that_eventbridge_refuses(quick_cloud: Cloud, queue: Any) -> None:
    events = quick_cloud.client("events")
    for wrong, words in (
        ({}, "must be specified"), ({"ScheduleExpression": "rate(1 minutes)"}, "not valid"),
        ({"ScheduleExpression": "cron(* * * * *)"}, "not valid"),
        ({"EventPattern": '{"source": "text"}'}, "pattern is not valid"),
    ):  # fmt: skip
        with pytest.raises(ClientError, match=words):
            events.put_rule(Name="wrong", **wrong)
    rule(quick_cloud, "in-use", {"source": ["never"]}, Arn=queue("in-use").arn)
    with pytest.raises(ClientError, match="has targets"):
        events.delete_rule(Name="in-use")
    many = [{"Id": str(number), "Arn": queue("in-use").arn} for number in range(6)]
    with pytest.raises(ClientError, match="5 targets"):
        events.put_targets(Rule="in-use", Targets=many)
    events.remove_targets(Rule="in-use", Ids=["1"])
    events.delete_rule(Name="in-use")
    with pytest.raises(ClientError, match="does not exist"):
        events.disable_rule(Name="in-use")


def test_schedules_are_followed_while_they_are_enabled(quick_cloud: Cloud, queue: Any, until: Until) -> None:
    events, rated, by_cron = quick_cloud.client("events"), queue("rated"), queue("by-cron")
    for name, expression, place in (
        ("rated", "rate(1 minute)", rated),
        ("by-cron", "cron(* * * * ? *)", by_cron),
    ):
        events.put_rule(Name=name, ScheduleExpression=expression)
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": place.arn}])
    until(lambda: len(rated.documents()) >= 2)
    until(by_cron.documents)
    event = rated.documents()[0]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["resources"] == ["arn:aws:events:us-east-1:000000000000:rule/rated"]
    for name in ("rated", "by-cron"):
        events.disable_rule(Name=name)
    for name in ("rated", "by-cron"):
        events.remove_targets(Rule=name, Ids=["1"])
        events.delete_rule(Name=name)


def test_alarms_tell_of_their_changes(quick_cloud: Cloud, queue: Any, until: Until) -> None:
    cloudwatch, told = quick_cloud.client("cloudwatch"), queue("alarm-events")
    rule(quick_cloud, "alarm-events", {"source": ["aws.cloudwatch"], "detail": {
        "alarmName": [{"prefix": "told-"}], "state": {"value": ["ALARM"]}}}, Arn=told.arn)  # fmt: skip
    cloudwatch.put_metric_alarm(
        AlarmName="told-one", Namespace="N", MetricName="m", Period=60, Statistic="Sum", EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
        Dimensions=[{"Name": "D", "Value": "d"}], AlarmDescription="look",
    )  # fmt: skip
    cloudwatch.put_composite_alarm(AlarmName="told-both", AlarmRule="ALARM(told-one)")
    for state in ("OK", "ALARM"):
        cloudwatch.set_alarm_state(AlarmName="told-one", StateValue=state, StateReason=f"it is {state}")
    until(lambda: len(told.documents()) == 2)
    by_name = {event["detail"]["alarmName"]: event for event in told.documents()}
    event = by_name["told-one"]
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"][0].endswith(":alarm:told-one")
    detail = event["detail"]
    assert (detail["previousState"]["value"], detail["state"]["reason"]) == ("OK", "it is ALARM")
    metric = detail["configuration"]["metrics"][0]["metricStat"]
    assert metric == {"metric": {"namespace": "N", "name": "m", "dimensions": {"D": "d"}},
                      "period": 60, "stat": "Sum"}  # fmt: skip
    assert by_name["told-both"]["detail"]["configuration"]["alarmRule"] == "ALARM(told-one)"
