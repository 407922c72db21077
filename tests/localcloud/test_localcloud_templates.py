"""The project's own templates on the local cloud: every choice made, taken back, and served meanwhile."""

from __future__ import annotations

import pytest

from tests.localcloud.conftest import TEMPLATES, Cloud
from tests.localcloud.stacks_harness import Environment

DOMAIN = "echo.example.test"
KEY = "arn:aws:secretsmanager:us-east-1:000000000000:secret:a-123456"


@pytest.fixture
def environment(own_cloud: Cloud) -> Environment:
    own_cloud.run("up")
    found = Environment(own_cloud)
    found.put("registry")
    found.put("data")
    found.put("network", AddressFamily="dualstack")
    return found


@pytest.fixture
def served(environment: Environment) -> Environment:
    environment.put("edge", AllowedNetworks="127.0.0.0/8")
    environment.put("service", Image=environment.image("one"), HealthCommand="NONE")
    return environment


def test_names_and_certificates_come_and_go(served: Environment) -> None:
    url = served.outputs["Url"]
    assert url.startswith("http://127.0.0.1:")
    assert served.get(url)[:2] == (200, b"one")
    route53 = served.cloud.client("route53")
    zone = route53.create_hosted_zone(Name="example.test", CallerReference="1")["HostedZone"]["Id"]
    zone = zone.rpartition("/")[2]
    served.put("service", DomainName=DOMAIN, HostedZoneId=zone)
    secure = served.outputs["Url"]
    assert secure.startswith(f"https://{DOMAIN}:")
    status, body, headers = served.get(secure)
    assert (status, body) == (200, b"one")
    assert "max-age=" in headers["Strict-Transport-Security"]
    status, _, headers = served.get(url.replace("127.0.0.1", DOMAIN))
    assert (status, headers["Location"]) == (301, f"{secure}/")
    records = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    aliases = {record["Type"] for record in records if record["Name"] == f"{DOMAIN}."}
    assert aliases >= {"A", "AAAA"}
    # The network's other address family takes one of them back; another certificate takes the place of one.
    served.put("network", AddressFamily="ipv4")
    served.put("service")
    own = served.cloud.client("acm").request_certificate(DomainName=DOMAIN)["CertificateArn"]
    served.put("service", HostedZoneId="none", CertificateArn=own)
    assert served.get(secure)[0] == 200
    left = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert not [record for record in left if record["Type"] in ("A", "AAAA")]
    served.put("service", DomainName="none", CertificateArn="none")
    assert served.outputs["Url"] == url
    assert served.get(url)[:2] == (200, b"one")


@pytest.mark.parametrize(
    "choices",
    [
        [{"ExecuteCommand": "on"}, {"ExecuteCommand": "off"}],
        [{"Spot": "50"}, {"QuietFromHour": "20", "QuietToHour": "6"},
         {"Spot": "0", "QuietFromHour": "-1", "QuietToHour": "-1"}],
        [{"DeploymentStrategy": name} for name in ("CANARY", "BLUE_GREEN", "ROLLING")],
        [{"ServiceZones": "single", "SecretArns": KEY}, {"ServiceZones": "multi", "SecretArns": "none"}],
        [{"WebAclArn": "none", "AccessLogBucket": "none", "KeyArn": "none"}],
    ],
    ids=["exec", "spot-and-quiet", "strategies", "zones-and-secrets", "edge"],
)  # fmt: skip
def test_choices_of_the_service_are_made_and_taken_back(
    served: Environment, choices: list[dict[str, str]]
) -> None:
    for choice in choices:
        served.put("service", **choice)
        assert served.get(served.outputs["Url"])[:2] == (200, b"one")
    if "WebAclArn" in choices[-1]:
        # What the service no longer uses can go, and come back.
        served.put("edge", WebAcl="off", AccessLogs="off", AllowedNetworks="none")
        served.put("edge", WebAcl="on", AccessLogs="on")
        for name in choices[-1]:
            del served.given["service"][name]
        served.put("service")
        guarding = served.cloud.client("wafv2").list_resources_for_web_acl(
            WebACLArn=served.outputs["WebAclArn"]
        )
        assert len(guarding["ResourceArns"]) == 1
    served.put("service", Image=served.image("two"))
    assert served.get(served.outputs["Url"])[:2] == (200, b"two")
    for name in ("service", "edge", "network"):
        assert served.cloud.delete(name)["StackStatus"] == "DELETE_COMPLETE", served.cloud.failures(name)
    with pytest.raises(ConnectionError):
        served.get(served.outputs["Url"])


def test_the_web_acl_lets_in_whom_the_edge_stack_allows(served: Environment) -> None:
    url = served.outputs["Url"]
    served.put("edge", AllowedNetworks="192.0.2.0/24")
    assert served.get(url)[0] == 403
    served.put("edge", AllowedNetworks="none", RateLimit="10")
    statuses = [served.get(url)[0] for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_a_web_acl_in_use_is_not_taken_away(served: Environment) -> None:
    cloud = served.cloud
    template = (TEMPLATES / "edge.yaml").read_text()
    cloud.deploy("edge", template, "UPDATE", parameters={"WebAcl": "off"})
    assert any("it is in use by" in event[2] for event in cloud.failures("edge"))


def test_keys_limits_and_roles(environment: Environment) -> None:
    for choice in ("false", "true"):
        environment.put("data", CustomerKey=choice, MaxReadRequestUnits="100" if choice == "true" else "0")
        environment.put("network", FlowLogs=choice)
    environment.put("network", FlowLogs="false")
    environment.put("pipeline", Repository="owner/name")
    environment.put("pipeline", Branch="release", HostedZoneId="Z0123456789ABC")
    roles = environment.cloud.client("iam").list_roles()["Roles"]
    assert environment.outputs["DeployRoleArn"] in [role["Arn"] for role in roles]
    for name in ("pipeline", "network", "data", "registry"):
        assert environment.cloud.delete(name)["StackStatus"] == "DELETE_COMPLETE"
