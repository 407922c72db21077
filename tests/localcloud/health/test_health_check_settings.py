"""What a health check may be told, by the API and by a stack."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.health.checks_harness import check, is_published, to


@pytest.mark.parametrize(
    ("config", "because"),
    [
        ({"Type": "HTTP"}, "IPAddress or FullyQualifiedDomainName is needed"),
        ({"Type": "TCP", "IPAddress": "127.0.0.1"}, "Port must be"),
        (
            {"Type": "HTTP", "IPAddress": "127.0.0.1", "RequestInterval": 20},
            "RequestInterval must be 10 or 30",
        ),
        ({"Type": "HTTP", "IPAddress": "127.0.0.1", "Regions": ["us-east-1"] * 3}, "Regions must be"),
        ({"Type": "HTTP_STR_MATCH", "IPAddress": "127.0.0.1"}, "needs a SearchString"),
        ({"Type": "HTTP", "IPAddress": "127.0.0.1", "SearchString": "x"}, "SearchString belongs to"),
        ({"Type": "CLOUDWATCH_METRIC"}, "AlarmIdentifier needs"),
        ({"Type": "CALCULATED", "ChildHealthChecks": []}, "HealthThreshold"),
        ({"Type": "RECOVERY_CONTROL", "RoutingControlArn": "arn"}, "no routing controls"),
    ],
)
def test_what_is_refused(quick_cloud: Any, config: dict[str, Any], because: str) -> None:
    route53 = quick_cloud.client("route53")
    with pytest.raises(ClientError, match=because):
        route53.create_health_check(CallerReference=str(uuid.uuid4()), HealthCheckConfig=config)


def test_updates_are_checked_and_numbered(quick_cloud: Any, endpoint: Callable[..., Any]) -> None:
    route53, made = quick_cloud.client("route53"), check(quick_cloud, **to(endpoint()))
    with pytest.raises(ClientError, match="FailureThreshold must be"):
        route53.update_health_check(HealthCheckId=made, FailureThreshold=11)
    with pytest.raises(ClientError, match="HealthCheckVersionMismatch"):
        route53.update_health_check(HealthCheckId=made, HealthCheckVersion=7, Port=81)
    changed = route53.update_health_check(HealthCheckId=made, HealthCheckVersion=1, ResourcePath="/x")[
        "HealthCheck"
    ]
    assert changed["HealthCheckVersion"] == 2
    assert changed["HealthCheckConfig"]["FailureThreshold"] == 1
    with pytest.raises(ClientError, match="NoSuchHealthCheck"):
        route53.get_health_check_status(HealthCheckId="nobody")


def test_a_stack_makes_changes_and_replaces_one(
    quick_cloud: Any, endpoint: Callable[..., Any], until: Callable[..., None]
) -> None:
    server = endpoint()

    def template(**config: Any) -> dict[str, Any]:
        properties = {"HealthCheckConfig": {"RequestInterval": 10, "FailureThreshold": 1, **to(server),
                                            **config},
                      "HealthCheckTags": [{"Key": "Name", "Value": "outside"}]}  # fmt: skip
        return {
            "Resources": {"Check": {"Type": "AWS::Route53::HealthCheck", "Properties": properties}},
            "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["Check", "HealthCheckId"]}}},
        }

    route53 = quick_cloud.client("route53")
    first = quick_cloud.deploy("check", template())["Outputs"][0]["OutputValue"]
    until(is_published(quick_cloud, first, 1))
    tags = route53.list_tags_for_resource(ResourceType="healthcheck", ResourceId=first)["ResourceTagSet"][
        "Tags"
    ]
    assert tags == [{"Key": "Name", "Value": "outside"}]
    same = quick_cloud.deploy("check", template(ResourcePath="/other"), "UPDATE")["Outputs"][0]["OutputValue"]
    assert same == first
    until(lambda: server.asked[-1][0] == "/other")
    fixed = quick_cloud.deploy("check", template(RequestInterval=30), "UPDATE")["Outputs"][0]["OutputValue"]
    assert fixed != first
    assert [c["Id"] for c in route53.list_health_checks()["HealthChecks"] if c["Id"] in (first, fixed)] == [
        fixed
    ]
    quick_cloud.delete("check")
    assert fixed not in [c["Id"] for c in route53.list_health_checks()["HealthChecks"]]
