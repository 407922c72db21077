"""Health checks as Route 53 makes them: what passes, what does not, and what everybody is told of it."""

import os
import signal
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.health.checks_harness import check, is_published, status, to, values

ALL = {
    "us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1",
    "sa-east-1",
}  # fmt: skip


def test_an_endpoint_is_asked_as_aws_asks(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = endpoint()
    made = check(
        quick_cloud, **to(server, FullyQualifiedDomainName="echo.example.test", ResourcePath="/ready?x=1")
    )
    until(lambda: status(quick_cloud, made))
    assert status(quick_cloud, made) == "Success: HTTP Status Code 200, OK"
    path, head = server.asked[0]
    assert (path, head["Host"]) == ("/ready?x=1", f"echo.example.test:{server.server_port}")
    assert head["User-Agent"].startswith(f"Amazon-Route53-Health-Check-Service (ref {made};")
    found = quick_cloud.client("route53").get_health_check_status(HealthCheckId=made)
    assert {o["Region"] for o in found["HealthCheckObservations"]} == ALL
    never = quick_cloud.client("route53").get_health_check_last_failure_reason(HealthCheckId=made)
    assert never["HealthCheckObservations"] == []


def test_the_regions_that_are_named_report(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    named = ["us-east-1", "eu-west-1", "sa-east-1"]
    made = check(quick_cloud, **to(endpoint(), Regions=named))
    until(lambda: status(quick_cloud, made))
    found = quick_cloud.client("route53").get_health_check_status(HealthCheckId=made)
    assert [o["Region"] for o in found["HealthCheckObservations"]] == named


@pytest.mark.parametrize(("answer", "healthy"), [(200, 1), (302, 1), (399, 1), (404, 0), (503, 0)])
def test_2xx_and_3xx_are_healthy(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None], answer: int, healthy: int
) -> None:
    server = endpoint()
    server.status = answer
    made = check(quick_cloud, **to(server))
    until(lambda: f"HTTP Status Code {answer}" in status(quick_cloud, made))
    until(is_published(quick_cloud, made, healthy))
    assert values(quick_cloud, "HealthCheckPercentageHealthy", made)[-1] == 100 * healthy


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("at", "found"), [(0, True), (5115, True), (5116, False)])
def test_the_first_5120_bytes_are_searched(
    quick_cloud: Any,
    endpoint: Callable[..., Any],
    until: Callable[..., None],
    at: int,
    found: bool,
    chunked: bool,
) -> None:
    server = endpoint()
    server.body, server.chunked = b"." * at + b"happy" + b"." * 6000, chunked
    made = check(quick_cloud, **to(server, "HTTP_STR_MATCH", SearchString="happy"))
    until(lambda: status(quick_cloud, made))
    assert status(quick_cloud, made).startswith("Success" if found else "Failure: The first 5,120 bytes")


def test_tcp_and_what_refuses_it(
    quick_cloud: Any, endpoint: Callable[..., Any], closed_port: int, until: Callable[..., None]
) -> None:
    opened = check(quick_cloud, **to(endpoint(), "TCP"))
    closed = check(quick_cloud, Type="TCP", IPAddress="127.0.0.1", Port=closed_port)
    until(lambda: status(quick_cloud, opened) and status(quick_cloud, closed))
    assert status(quick_cloud, opened).startswith("Success")
    assert "not established" in status(quick_cloud, closed)
    why = quick_cloud.client("route53").get_health_check_last_failure_reason(HealthCheckId=closed)
    assert {o["Region"] for o in why["HealthCheckObservations"]} == ALL


def test_https_names_the_host_unless_told_not_to(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    acm = quick_cloud.client("acm")
    arn = acm.request_certificate(DomainName="echo.example.test", ValidationMethod="DNS")["CertificateArn"]
    file = quick_cloud.state_dir / "certificates" / f"{arn.rpartition('/')[2]}.pem"
    named, unnamed = endpoint(), endpoint()
    for server in (named, unnamed):
        server.encrypt(file)
        server.body = b"happy"
    name = {"FullyQualifiedDomainName": "echo.example.test"}
    first = check(quick_cloud, **to(named, "HTTPS", **name))
    second = check(
        quick_cloud, **to(unnamed, "HTTPS_STR_MATCH", SearchString="happy", EnableSNI=False, **name)
    )
    until(lambda: status(quick_cloud, first) and status(quick_cloud, second))
    assert status(quick_cloud, first).startswith("Success")
    assert status(quick_cloud, second).startswith("Success")
    assert named.names[0] == "echo.example.test"
    assert unnamed.names[0] is None


def test_it_takes_the_threshold_to_turn_and_to_turn_back(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = endpoint()
    server.status = 500
    made = check(quick_cloud, **to(server, FailureThreshold=10))
    until(lambda: "500" in status(quick_cloud, made))
    until(is_published(quick_cloud, made, 0))
    assert len(server.asked) >= 10
    server.status = 200
    until(is_published(quick_cloud, made, 1))
    why = quick_cloud.client("route53").get_health_check_last_failure_reason(HealthCheckId=made)
    assert "500" in why["HealthCheckObservations"][0]["StatusReport"]["Status"]


@pytest.mark.parametrize(
    ("target", "because"),
    [
        ({"IPAddress": "192.0.2.1"}, "192.0.2.1 is not a loopback address"),
        ({"FullyQualifiedDomainName": "elsewhere.example"}, "no hosted zone of the local cloud has a record"),
    ],
)
def test_nothing_leaves_the_machine(
    quick_cloud: Any, until: Callable[..., None], target: dict[str, str], because: str
) -> None:
    made = check(quick_cloud, Type="HTTP", **target)
    until(is_published(quick_cloud, made, 0))
    assert because in status(quick_cloud, made)


def test_names_of_hosted_zones_lead_to_loopback(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    route53, server = quick_cloud.client("route53"), endpoint()
    zone = route53.create_hosted_zone(Name="names.test", CallerReference=str(uuid.uuid4()))["HostedZone"][
        "Id"
    ]
    records = [("www.names.test", "CNAME", "*.any.names.test"), ("*.any.names.test", "A", "127.0.0.1"),
               ("away.names.test", "A", "192.0.2.7"),
               ("loop.names.test", "CNAME", "loop.names.test")]  # fmt: skip
    route53.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [
            {"Action": "CREATE", "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": 60,
                                                       "ResourceRecords": [{"Value": value}]}}
            for name, kind, value in records
        ]},
    )  # fmt: skip
    said = {}
    for name in ("www.names.test", "x.any.names.test", "away.names.test", "loop.names.test"):
        made = check(quick_cloud, Type="HTTP", FullyQualifiedDomainName=name, Port=server.server_port)
        until(lambda made=made: status(quick_cloud, made))
        said[name] = status(quick_cloud, made)
    assert said["www.names.test"] == said["x.any.names.test"] == "Success: HTTP Status Code 200, OK"
    assert "192.0.2.7 is not a loopback address" in said["away.names.test"]
    assert "lead to one another without end" in said["loop.names.test"]


def test_inverted_disabled_and_calculated(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    good, bad = endpoint(), endpoint()
    bad.status = 500
    healthy, unhealthy = check(quick_cloud, **to(good)), check(quick_cloud, **to(bad))
    inverted = check(quick_cloud, **to(bad, Inverted=True))
    disabled = check(quick_cloud, **to(bad, Disabled=True))
    children = [healthy, unhealthy]
    either = check(quick_cloud, Type="CALCULATED", ChildHealthChecks=children, HealthThreshold=1)
    both = check(quick_cloud, Type="CALCULATED", ChildHealthChecks=children, HealthThreshold=2)
    neither = check(
        quick_cloud, Type="CALCULATED", ChildHealthChecks=[both], HealthThreshold=1, Inverted=True
    )
    expected = {healthy: 1, unhealthy: 0, inverted: 1, disabled: 1, either: 1, both: 0, neither: 1}
    for made, value in expected.items():
        until(is_published(quick_cloud, made, value))
    assert values(quick_cloud, "ChildHealthCheckHealthyCount", either)[-1] == 1
    assert values(quick_cloud, "HealthCheckPercentageHealthy", disabled) == []
    assert status(quick_cloud, disabled) == ""
    route53 = quick_cloud.client("route53")
    assert (
        route53.get_health_check(HealthCheckId=inverted)["HealthCheck"]["HealthCheckConfig"]["Inverted"]
        is True
    )
    route53.update_health_check(HealthCheckId=disabled, Disabled=False)
    until(is_published(quick_cloud, disabled, 0))
    route53.delete_health_check(HealthCheckId=healthy)
    until(is_published(quick_cloud, either, 0))


def test_alarms_decide(quick_cloud: Any, until: Callable[..., None]) -> None:
    cloudwatch = quick_cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="of-check", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    alarm = {"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": {"Name": "of-check", "Region": "us-east-1"}}
    unhealthy = check(quick_cloud, **alarm, InsufficientDataHealthStatus="Unhealthy")
    last = check(quick_cloud, **alarm)
    until(is_published(quick_cloud, unhealthy, 0))
    until(is_published(quick_cloud, last, 1))
    for state, value in (("OK", 1), ("ALARM", 0)):
        cloudwatch.set_alarm_state(AlarmName="of-check", StateValue=state, StateReason="test")
        until(is_published(quick_cloud, unhealthy, value))
        until(is_published(quick_cloud, last, value))


def test_latencies_are_published_where_asked_for(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = endpoint()
    measured, other = check(quick_cloud, **to(server, MeasureLatency=True)), check(quick_cloud, **to(server))
    until(lambda: values(quick_cloud, "TimeToFirstByte", measured))
    assert min(values(quick_cloud, "ConnectionTime", measured, Region="eu-west-1")) > 0
    assert values(quick_cloud, "SSLHandshakeTime", measured) == []
    until(is_published(quick_cloud, other, 1))
    assert values(quick_cloud, "ConnectionTime", other) == []


def test_what_was_seen_survives_a_kill(
    own_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    own_cloud.speed = 600
    own_cloud.run("up")
    server = endpoint()
    server.status = 500
    made = check(own_cloud, **to(server))
    until(is_published(own_cloud, made, 0))
    own_cloud.client("route53").update_health_check(HealthCheckId=made, FailureThreshold=10)
    os.kill(own_cloud.pid(), signal.SIGKILL)
    until(lambda: "not running" in own_cloud.run("status", check=False).stdout)
    own_cloud.run("up")
    assert "500" in status(own_cloud, made)
