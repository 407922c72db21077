"""Record sets of Route 53: routing policies, alone and beside one another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conftest import Cloud

Change = Callable[..., None]


@pytest.fixture(scope="module")
def zone(quick_cloud: Cloud) -> str:
    made = quick_cloud.client("route53").create_hosted_zone(
        Name="sets.example.test", CallerReference=str(time.time_ns())
    )
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


@pytest.fixture(scope="module")
def check_id(quick_cloud: Cloud) -> str:
    config = {"Type": "TCP", "IPAddress": "127.0.0.1", "Port": 9, "RequestInterval": 30, "Disabled": True}
    made = quick_cloud.client("route53").create_health_check(
        CallerReference=str(time.time_ns()), HealthCheckConfig=config
    )
    return str(made["HealthCheck"]["Id"])


@pytest.fixture
def change(quick_cloud: Cloud, zone: str) -> Change:
    def changing(name: str, action: str = "CREATE", **more: Any) -> None:
        value = {} if "AliasTarget" in more else {"TTL": 60, "ResourceRecords": [{"Value": "127.0.0.1"}]}
        record = {"Name": f"{name}.sets.example.test", "Type": "A", **value, **more}
        record = {key: value for key, value in record.items() if value is not None}
        quick_cloud.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        )

    return changing


def test_failover_and_weights_are_kept_as_given(
    quick_cloud: Cloud, zone: str, change: Change, check_id: str
) -> None:
    change("two", SetIdentifier="a", Failover="PRIMARY", HealthCheckId=check_id)
    change("two", SetIdentifier="b", Failover="SECONDARY")
    change("split", SetIdentifier="a", Weight=90)
    change("split", SetIdentifier="b", Weight=0)
    change("split", "UPSERT", SetIdentifier="b", Weight=10)
    found = quick_cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    kept = {(record["Name"].split(".")[0], record["SetIdentifier"]): record
            for record in found if "SetIdentifier" in record}  # fmt: skip
    assert (kept["two", "a"]["Failover"], kept["two", "a"]["HealthCheckId"]) == ("PRIMARY", check_id)
    assert (kept["split", "a"]["Weight"], kept["split", "b"]["Weight"]) == (90, 10)


@pytest.mark.parametrize(("record", "words"), [
    ({"SetIdentifier": "a", "Weight": 1, "Failover": "SECONDARY"}, "exclude each other"),
    ({"Weight": 1}, "lacks SetIdentifier"), ({"SetIdentifier": "a"}, "lacks a routing policy"),
    ({"SetIdentifier": "a", "Failover": "PRIMARY"}, "needs a HealthCheckId"),
    ({"SetIdentifier": "a", "Failover": "SECONDARY", "HealthCheckId": "nobody"}, "no health check nobody"),
    ({"TTL": None}, "needs a TTL"), ({"ResourceRecords": None}, "needs either"),
])  # fmt: skip
def test_a_record_set_that_contradicts_itself_is_refused(
    change: Change, record: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        change("wrong", **record)


def test_policies_of_one_name_must_agree(change: Change, check_id: str) -> None:
    change("plain")
    with pytest.raises(ClientError, match="cannot be created as other record sets exist"):
        change("plain", SetIdentifier="a", Weight=1)
    change("weighted", SetIdentifier="a", Weight=1)
    with pytest.raises(ClientError, match="Weight routing policy"):
        change("weighted")
    with pytest.raises(ClientError, match="Weight routing policy"):
        change("weighted", SetIdentifier="b", Failover="SECONDARY")
    change("primary", SetIdentifier="a", Failover="PRIMARY", HealthCheckId=check_id)
    with pytest.raises(ClientError, match="PRIMARY record set already"):
        change("primary", SetIdentifier="b", Failover="PRIMARY", HealthCheckId=check_id)
    change("primary", "UPSERT", SetIdentifier="a", Failover="PRIMARY", HealthCheckId=check_id, TTL=30)


def test_a_stack_has_them_too(quick_cloud: Cloud, zone: str) -> None:
    def template(primary: dict[str, Any]) -> dict[str, Any]:
        common = {"HostedZoneId": zone, "Name": "stack.sets.example.test", "Type": "A", "TTL": "60",
                  "ResourceRecords": ["127.0.0.1"]}  # fmt: skip
        config = {"Type": "TCP", "IPAddress": "127.0.0.1", "Port": 9, "RequestInterval": 30}
        return {"Resources": {
            "Check": {"Type": "AWS::Route53::HealthCheck", "Properties": {"HealthCheckConfig": config}},
            "Primary": {"Type": "AWS::Route53::RecordSet", "Properties": {
                **common, "SetIdentifier": "first", "Failover": "PRIMARY", **primary}},
            "Secondary": {"Type": "AWS::Route53::RecordSet", "Properties": {
                **common, "SetIdentifier": "second", "Failover": "SECONDARY"}},
        }}  # fmt: skip

    checked = {"HealthCheckId": {"Ref": "Check"}}
    assert quick_cloud.deploy("records-wrong", template({}))["StackStatus"] == "ROLLBACK_COMPLETE"
    failures = quick_cloud.failures("records-wrong")
    assert any("needs a HealthCheckId" in reason for _, _, reason in failures), failures
    stack = quick_cloud.deploy("records", template(checked))
    assert stack["StackStatus"] == "CREATE_COMPLETE", quick_cloud.failures("records")
    broken = quick_cloud.deploy("records", template({}), "UPDATE")
    assert broken["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert quick_cloud.deploy("records", template({**checked, "TTL": "30"}), "UPDATE")["StackStatus"] == (
        "UPDATE_COMPLETE"
    )
    found = quick_cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    kept = {record["SetIdentifier"]: record["TTL"] for record in found if record["Name"].startswith("stack.")}
    assert kept == {"first": 30, "second": 60}
    assert quick_cloud.delete("records")["StackStatus"] == "DELETE_COMPLETE"
