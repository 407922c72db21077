"""The alarms of the service's template on real traffic through a real balancer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.localcloud.ecs.cloud_harness import LocalCloud, until
from tests.localcloud.ecs.shifting_harness import Shifting
from tests.localcloud.metrics.metrics_harness import Target, statistic, template, traffic

ELB = "AWS/ApplicationELB"


@pytest.fixture
def target() -> Iterator[Target]:
    found = Target()
    yield found
    found.close()


@pytest.fixture
def stack(fast_cloud: LocalCloud, target: Target) -> dict[str, str]:
    """The outputs of a stack with the alarms and a balancer in front of the target, which is healthy."""
    cfn, elb = fast_cloud.client("cloudformation"), fast_cloud.client("elbv2")
    cfn.create_stack(StackName="s", TemplateBody=template(fast_cloud.http))
    until(lambda: cfn.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    found = cfn.describe_stacks(StackName="s")["Stacks"][0]["Outputs"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found}
    group = outputs["TargetGroup"]
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": target.port}])
    until(lambda: elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"][0][
        "TargetHealth"]["State"] == "healthy")  # fmt: skip
    return outputs


def _states(cloud: LocalCloud, names: list[str]) -> set[str]:
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert len(alarms) == len(names)
    return {alarm["StateValue"] for alarm in alarms}


def test_errors_and_slow_answers_raise_alarms_and_calm_ends_them(
    fast_cloud: LocalCloud, stack: dict[str, str]
) -> None:
    cloudwatch = fast_cloud.client("cloudwatch")
    names = [stack[name] for name in ("ErrorsAlarm", "SlowAlarm", "LatencyAlarm")]
    until(lambda: _states(fast_cloud, names) == {"OK"})
    with traffic(fast_cloud.http, "/500") as answers:
        until(lambda: _states(fast_cloud, names) == {"ALARM"}, 60)
    assert set(answers) == {500}
    until(lambda: _states(fast_cloud, names) == {"OK"}, 60)
    history = cloudwatch.describe_alarm_history(AlarmName=stack["ErrorsAlarm"], ScanBy="TimestampAscending")
    summaries = [item["HistorySummary"] for item in history["AlarmHistoryItems"]]
    assert summaries[-2:] == ["Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK"]
    assert "100.0" in history["AlarmHistoryItems"][-2]["HistoryData"]

    # Every request is in the metrics once.
    balancer, group = {"LoadBalancer": stack["FullName"]}, {"TargetGroup": stack["GroupName"]}
    for dimensions in (balancer, balancer | group):
        for name in ("RequestCount", "HTTPCode_Target_5XX_Count"):
            assert sum(statistic(cloudwatch, ELB, name, "Sum", **dimensions)) == len(answers)
        times = ELB, "TargetResponseTime"
        assert sum(statistic(cloudwatch, *times, "SampleCount", **dimensions)) == len(answers)
        median, most = (max(statistic(cloudwatch, *times, stat, **dimensions)) for stat in ("p50", "Maximum"))
        assert Target.DELAY <= median <= most
    assert sum(statistic(cloudwatch, ELB, "RequestCountPerTarget", "Sum", **group)) == len(answers)
    assert statistic(cloudwatch, ELB, "HTTPCode_Target_2XX_Count", "Sum", **balancer) == []
    assert set(statistic(cloudwatch, ELB, "HealthyHostCount", "Minimum", **balancer, **group)) == {1}

    fast_cloud.down()
    fast_cloud.up()
    kept = sum(statistic(fast_cloud.client("cloudwatch"), ELB, "RequestCount", "Sum", **balancer))
    assert kept == len(answers)


def test_a_target_that_fails_its_checks_raises_an_alarm(
    fast_cloud: LocalCloud, stack: dict[str, str], target: Target
) -> None:
    target.health = 500
    until(lambda: _states(fast_cloud, [stack["UnhealthyAlarm"]]) == {"ALARM"}, 60)
    # A group without targets has no datapoints, which counts as calm.
    fast_cloud.client("elbv2").deregister_targets(
        TargetGroupArn=stack["TargetGroup"], Targets=[{"Id": "127.0.0.1", "Port": target.port}]
    )
    until(lambda: _states(fast_cloud, [stack["UnhealthyAlarm"]]) == {"OK"}, 60)
    cloudwatch, balancer = fast_cloud.client("cloudwatch"), {"LoadBalancer": stack["FullName"]}
    assert fast_cloud.get("/200")[0] == 503
    until(lambda: statistic(cloudwatch, ELB, "HTTPCode_ELB_503_Count", "Sum", **balancer))
    assert statistic(cloudwatch, ELB, "HTTPCode_ELB_5XX_Count", "Sum", **balancer) == [1]
    assert statistic(cloudwatch, ELB, "RequestCount", "Sum", **balancer) == []


def test_a_deployment_that_breaks_connections_goes_back_by_its_alarm(fast_cloud: LocalCloud) -> None:
    shifting, image = Shifting(fast_cloud), fast_cloud.push()
    balancer = fast_cloud.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    fast_cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="broken", Namespace=ELB, MetricName="HTTPCode_ELB_502_Count", Statistic="Sum", Period=60,
        Dimensions=[{"Name": "LoadBalancer", "Value": balancer.partition("loadbalancer/")[2]}],
        EvaluationPeriods=1, Threshold=0, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )  # fmt: skip
    shifting.create(
        fast_cloud.task_definition(image, VERSION="one"), strategy="BLUE_GREEN", bakeTimeInMinutes=600,
        alarms={"alarmNames": ["broken"], "enable": True, "rollback": True},
    )  # fmt: skip
    shifting.update(fast_cloud.task_definition(image, VERSION="two"))
    shifting.at("BAKE_TIME")
    assert fast_cloud.get("/crash")[0] == 502
    until(lambda: shifting.last()["status"] == "ROLLBACK_SUCCESSFUL")
    assert "broken" in shifting.last()["statusReason"]
    until(lambda: fast_cloud.get("/") == (200, b"one"))


def test_a_web_acl_counts_what_it_does(fast_cloud: LocalCloud, stack: dict[str, str]) -> None:
    cloudwatch, waf = fast_cloud.client("cloudwatch"), fast_cloud.client("wafv2")
    seen = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True}
    path = {"ByteMatchStatement": {
        "SearchString": b"/404", "FieldToMatch": {"UriPath": {}}, "PositionalConstraint": "EXACTLY",
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
    }}  # fmt: skip
    acl = waf.create_web_acl(
        Name="w", Scope="REGIONAL", DefaultAction={"Allow": {}},
        VisibilityConfig={**seen, "MetricName": "acl"},
        Rules=[{"Name": "r", "Priority": 0, "Statement": path, "Action": {"Block": {}},
                "VisibilityConfig": {**seen, "MetricName": "not-that"}}],
    )["Summary"]["ARN"]  # fmt: skip
    balancer = fast_cloud.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    waf.associate_web_acl(WebACLArn=acl, ResourceArn=balancer)
    assert [fast_cloud.get(path)[0] for path in ("/404", "/200", "/404", "/200", "/200")] == [
        403, 200, 403, 200, 200
    ]  # fmt: skip

    def count(name: str, rule: str) -> float:
        where = {"WebACL": "acl", "Region": "us-east-1", "Rule": rule}
        return sum(statistic(cloudwatch, "AWS/WAFV2", name, "Sum", **where))

    def forwarded() -> float:
        return sum(statistic(cloudwatch, ELB, "RequestCount", "Sum", LoadBalancer=stack["FullName"]))

    # What was blocked never came to a target.
    until(lambda: (count("AllowedRequests", "ALL"), forwarded()) == (3, 3))
    assert (count("BlockedRequests", "not-that"), count("BlockedRequests", "ALL")) == (2, 2)
