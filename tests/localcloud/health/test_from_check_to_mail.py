"""The way of a failure: an endpoint, its health check, the metric, an alarm, a topic, a mail."""

import json
import uuid
from collections.abc import Callable
from typing import Any


def test_a_failing_endpoint_ends_in_a_mail_and_so_does_its_recovery(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = endpoint()
    topic = quick_cloud.client("sns").create_topic(Name="outside")["TopicArn"]
    quick_cloud.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="on-call@example.test")
    config = {"Type": "HTTP", "IPAddress": "127.0.0.1", "Port": server.server_port, "RequestInterval": 10}
    made = quick_cloud.client("route53").create_health_check(
        CallerReference=str(uuid.uuid4()), HealthCheckConfig={**config, "FailureThreshold": 1}
    )["HealthCheck"]["Id"]
    cloudwatch = quick_cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="outside", Namespace="AWS/Route53", MetricName="HealthCheckStatus", Statistic="Minimum",
        Dimensions=[{"Name": "HealthCheckId", "Value": made}], Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="LessThanThreshold", AlarmActions=[topic], OKActions=[topic],
    )  # fmt: skip

    def reaches(state: str) -> Callable[[], bool]:
        return lambda: (
            cloudwatch.describe_alarms(AlarmNames=["outside"])["MetricAlarms"][0]["StateValue"] == state
        )

    def mailed() -> list[str]:
        found = json.loads(quick_cloud.run("alerts", "--json").stdout)
        return [d["alarm"]["new_state"] for d in found if d["topic"] == topic and d["result"] == "delivered"]

    until(reaches("OK"))
    server.status = 500
    until(reaches("ALARM"))
    server.status = 200
    until(reaches("OK"))
    until(lambda: mailed()[-2:] == ["ALARM", "OK"])
