"""Two regions of one local cloud: what is in one is not in the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud

HOME, AWAY = "us-east-1", "eu-west-1"
Until = Callable[..., None]


def alarm(namespace: str, metric: str, **more: Any) -> dict[str, Any]:
    return {"Namespace": namespace, "MetricName": metric, "Period": 60, "Statistic": "Maximum",
            "Threshold": 0, "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold",
            **more}  # fmt: skip


def deploy(cloud: Cloud, region: str, stack: str, template: dict[str, Any], until: Until) -> dict[str, str]:
    cfn = cloud.client("cloudformation", region)
    cfn.create_stack(StackName=stack, TemplateBody=json.dumps(template))

    def found() -> dict[str, Any]:
        described: dict[str, Any] = cfn.describe_stacks(StackName=stack)["Stacks"][0]
        return described

    until(lambda: not found()["StackStatus"].endswith("_IN_PROGRESS"))
    events = cfn.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = [event.get("ResourceStatusReason") for event in events]
    assert found()["StackStatus"] == "CREATE_COMPLETE", [one for one in reasons if one]
    return {output["OutputKey"]: output["OutputValue"] for output in found()["Outputs"]}


def test_stacks_of_one_name_have_alarms_topics_and_rules_of_their_own(
    quick_cloud: Cloud, until: Until
) -> None:
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "twins"}},
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm(
                "Twins", "m", AlarmName="twin", TreatMissingData="ignore", AlarmActions=[{"Ref": "Topic"}])},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {
                "Name": "twin", "EventPattern": {"source": ["twins"]},
                "Targets": [{"Id": "1", "Arn": {"Ref": "Topic"}}]}},
        },
        "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
    }  # fmt: skip
    topics = {
        region: deploy(quick_cloud, region, "twins", template, until)["Topic"] for region in (HOME, AWAY)
    }
    assert [topic.split(":")[3] for topic in topics.values()] == [HOME, AWAY]

    def state(region: str) -> str:
        found = quick_cloud.client("cloudwatch", region).describe_alarms(AlarmNames=["twin"])["MetricAlarms"]
        return str(found[0]["StateValue"])

    away = quick_cloud.client("cloudwatch", AWAY)

    def is_hot() -> bool:
        """Measured again at each look: one value alone may be older than the alarm's minutes by then."""
        away.put_metric_data(Namespace="Twins", MetricData=[{"MetricName": "m", "Value": 1}])
        return state(AWAY) == "ALARM"

    until(is_hot)
    assert state(HOME) == "INSUFFICIENT_DATA"
    assert quick_cloud.client("cloudwatch").list_metrics(Namespace="Twins")["Metrics"] == []
    delivered = json.loads("[" + ",".join(quick_cloud.run("alerts", "--json").stdout.splitlines()) + "]")[0]
    assert {entry["topic"] for entry in delivered if entry["topic"].endswith(":twins")} == {topics[AWAY]}
    quick_cloud.client("cloudformation").delete_stack(StackName="twins")
    until(lambda: not quick_cloud.client("events").list_rules(NamePrefix="twin")["Rules"])
    assert [rule["Name"] for rule in quick_cloud.client("events", AWAY).list_rules()["Rules"]] == ["twin"]
    assert state(AWAY) in ("ALARM", "OK")


def test_an_alarm_acts_in_its_own_region_only(quick_cloud: Cloud) -> None:
    far = f"arn:aws:sns:{AWAY}:000000000000:somewhere"
    with pytest.raises(ClientError, match=f"Invalid region {AWAY} specified"):
        quick_cloud.client("cloudwatch").put_metric_alarm(
            AlarmName="far", AlarmActions=[far], **alarm("N", "m")
        )


def test_health_metrics_are_in_us_east_1_whatever_the_service_s_region(
    quick_cloud: Cloud, until: Until
) -> None:
    config = {"Type": "TCP", "IPAddress": "127.0.0.1", "Port": quick_cloud.port, "RequestInterval": 30}
    checked = alarm(
        "AWS/Route53", "HealthCheckStatus", AlarmName="healthy", TreatMissingData="missing",
        Dimensions=[{"Name": "HealthCheckId", "Value": {"Ref": "Check"}}],
    )  # fmt: skip
    template = {
        "Resources": {
            "Check": {"Type": "AWS::Route53::HealthCheck", "Properties": {"HealthCheckConfig": config}},
            "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": checked},
        },
        "Outputs": {"Check": {"Value": {"Ref": "Check"}}},
    }
    outputs = deploy(quick_cloud, HOME, "health", template, until)
    home, away = (quick_cloud.client("cloudwatch", region) for region in (HOME, AWAY))
    away.put_metric_alarm(**{**checked, "Dimensions": [
        {"Name": "HealthCheckId", "Value": outputs["Check"]}]})  # fmt: skip

    def state(cloudwatch: Any) -> str:
        return str(cloudwatch.describe_alarms(AlarmNames=["healthy"])["MetricAlarms"][0]["StateValue"])

    until(lambda: state(home) == "ALARM")
    assert state(away) == "INSUFFICIENT_DATA"
    assert away.list_metrics(Namespace="AWS/Route53")["Metrics"] == []
