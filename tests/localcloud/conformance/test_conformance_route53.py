"""Route 53: zones and records. Cases of health checks belong here as well."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import AWS, Account, chosen, delete


@pytest.fixture
def zone(account: Account, name: str, cleanup: ExitStack) -> tuple[str, str]:
    """A zone of its own: id and domain. Deleted within 12 hours, it costs nothing."""
    route53 = account.client("route53")
    domain = f"{name}.test."
    made = route53.create_hosted_zone(Name=domain, CallerReference=uuid.uuid4().hex)["HostedZone"]["Id"]
    cleanup.callback(route53.delete_hosted_zone, Id=made)
    return made.rpartition("/")[2], domain


def record(action: str, name: str, value: str = "192.0.2.1") -> dict[str, Any]:
    return {
        "Action": action,
        "ResourceRecordSet": {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}]},
    }


def change(account: Account, zone: str, *changes: dict[str, Any]) -> Any:
    return account.client("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": list(changes)}
    )


def addresses(account: Account, zone: str) -> dict[str, str]:
    found = account.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {r["Name"]: r["ResourceRecords"][0]["Value"] for r in found if r["Type"] == "A"}


def test_a_new_zone_has_its_two_records(account: Account, zone: tuple[str, str]) -> None:
    found = account.client("route53").list_resource_record_sets(HostedZoneId=zone[0])["ResourceRecordSets"]
    assert sorted((r["Type"], r["Name"]) for r in found) == [("NS", zone[1]), ("SOA", zone[1])]


def test_a_change_gets_in_sync_and_upsert_replaces(account: Account, zone: tuple[str, str]) -> None:
    route53 = account.client("route53")
    made = change(account, zone[0], record("CREATE", f"a.{zone[1]}"))["ChangeInfo"]["Id"]
    account.until(lambda: route53.get_change(Id=made)["ChangeInfo"]["Status"] == "INSYNC")
    change(account, zone[0], record("UPSERT", f"a.{zone[1]}", "192.0.2.2"))
    assert addresses(account, zone[0]) == {f"a.{zone[1]}": "192.0.2.2"}
    change(account, zone[0], record("DELETE", f"a.{zone[1]}", "192.0.2.2"))
    assert addresses(account, zone[0]) == {}


def test_a_batch_is_done_whole_or_not_at_all(account: Account, zone: tuple[str, str]) -> None:
    route53 = account.client("route53")
    change(account, zone[0], record("CREATE", f"a.{zone[1]}"))
    try:
        with pytest.raises(route53.exceptions.InvalidChangeBatch):
            change(account, zone[0], record("CREATE", f"b.{zone[1]}"), record("CREATE", f"a.{zone[1]}"))
        assert list(addresses(account, zone[0])) == [f"a.{zone[1]}"]
    finally:
        change(account, zone[0], record("DELETE", f"a.{zone[1]}"))


def test_a_zone_with_records_is_not_deleted(account: Account, zone: tuple[str, str]) -> None:
    route53 = account.client("route53")
    change(account, zone[0], record("CREATE", f"a.{zone[1]}"))
    try:
        with pytest.raises(route53.exceptions.HostedZoneNotEmpty):
            route53.delete_hosted_zone(Id=zone[0])
    finally:
        change(account, zone[0], record("DELETE", f"a.{zone[1]}"))


def test_a_zone_that_is_not_there(account: Account) -> None:
    route53 = account.client("route53")
    with pytest.raises(route53.exceptions.NoSuchHostedZone):
        route53.get_hosted_zone(Id="Z00000000000000000000")


def test_a_cname_takes_the_place_of_addresses_in_one_batch(account: Account, zone: tuple[str, str]) -> None:
    name = f"a.{zone[1]}"
    alias = {"Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": f"b.{zone[1]}"}]}
    change(account, zone[0], record("CREATE", name))
    change(account, zone[0], record("DELETE", name), {"Action": "CREATE", "ResourceRecordSet": alias})
    assert addresses(account, zone[0]) == {}
    change(account, zone[0], {"Action": "DELETE", "ResourceRecordSet": alias})


@pytest.mark.parametrize(
    "wrong",
    [
        {"Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "b.example.test"}]},
        {"Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.300"}]},
        {"Type": "A", "TTL": 60},
        {"Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": "without quotation marks"}]},
    ],
    ids=["a CNAME beside an address", "no address", "no value", "no text"],
)  # fmt: skip
def test_a_record_that_cannot_be_is_refused(
    account: Account, zone: tuple[str, str], wrong: dict[str, Any]
) -> None:
    route53, where = account.client("route53"), "a" if wrong["Type"] == "CNAME" else "b"
    change(account, zone[0], record("CREATE", f"a.{zone[1]}"))
    try:
        with pytest.raises((route53.exceptions.InvalidChangeBatch, route53.exceptions.InvalidInput)):
            change(account, zone[0], {
                "Action": "CREATE", "ResourceRecordSet": {"Name": f"{where}.{zone[1]}", **wrong},
            })  # fmt: skip
        assert addresses(account, zone[0]) == {f"a.{zone[1]}": "192.0.2.1"}
    finally:
        change(account, zone[0], record("DELETE", f"a.{zone[1]}"))


def test_a_record_is_deleted_as_it_is(account: Account, zone: tuple[str, str]) -> None:
    route53 = account.client("route53")
    change(account, zone[0], record("CREATE", f"a.{zone[1]}"))
    try:
        with pytest.raises(route53.exceptions.InvalidChangeBatch):
            change(account, zone[0], record("DELETE", f"a.{zone[1]}", "192.0.2.2"))
        with pytest.raises(route53.exceptions.InvalidChangeBatch):
            change(account, zone[0], record("CREATE", "a.other.test."))
    finally:
        change(account, zone[0], record("DELETE", f"a.{zone[1]}"))


def test_records_of_one_name_are_told_apart_by_their_identifier(
    account: Account, zone: tuple[str, str]
) -> None:
    route53 = account.client("route53")

    def weighted(identifier: str, weight: int) -> dict[str, Any]:
        return {
            "Name": f"w.{zone[1]}", "Type": "A", "TTL": 60, "SetIdentifier": identifier, "Weight": weight,
            "ResourceRecords": [{"Value": "192.0.2.1"}],
        }  # fmt: skip

    both = [weighted("one", 10), weighted("two", 0)]
    change(account, zone[0], *({"Action": "CREATE", "ResourceRecordSet": each} for each in both))
    found = route53.list_resource_record_sets(HostedZoneId=zone[0])["ResourceRecordSets"]
    try:
        assert [(r["SetIdentifier"], r["Weight"]) for r in found if r["Type"] == "A"] == [
            ("one", 10),
            ("two", 0),
        ]
    finally:
        change(account, zone[0], *({"Action": "DELETE", "ResourceRecordSet": each} for each in both))


def test_a_health_check_is_made_once_by_its_reference(
    account: Account, name: str, cleanup: ExitStack
) -> None:
    route53 = account.client("route53")
    config: dict[str, Any] = {"Type": "CALCULATED", "HealthThreshold": 0, "ChildHealthChecks": []}
    made = route53.create_health_check(CallerReference=name, HealthCheckConfig=config)["HealthCheck"]
    cleanup.callback(delete, route53.delete_health_check, HealthCheckId=made["Id"])
    again = route53.create_health_check(CallerReference=name, HealthCheckConfig=config)["HealthCheck"]
    assert again["Id"] == made["Id"]
    with pytest.raises(route53.exceptions.HealthCheckAlreadyExists):
        route53.create_health_check(CallerReference=name, HealthCheckConfig={**config, "Inverted": True})
    with pytest.raises(route53.exceptions.HealthCheckVersionMismatch):
        route53.update_health_check(HealthCheckId=made["Id"], HealthCheckVersion=9, HealthThreshold=0)


def test_a_health_check_that_is_not_there(account: Account) -> None:
    route53 = account.client("route53")
    with pytest.raises(route53.exceptions.NoSuchHealthCheck):
        route53.get_health_check(HealthCheckId="00000000-0000-0000-0000-000000000000")


def answered(account: Account, zone: str, name: str, kind: str = "A") -> tuple[str, list[str]]:
    found = account.client("route53").test_dns_answer(HostedZoneId=zone, RecordName=name, RecordType=kind)
    assert (found["RecordName"].rstrip("."), found["RecordType"]) == (name.rstrip("."), kind)
    assert found["Nameserver"]
    return found["ResponseCode"], sorted(found["RecordData"])


@pytest.fixture
def kept(account: Account, zone: tuple[str, str], cleanup: ExitStack) -> Callable[..., None]:
    """Makes record sets that are gone at the end."""

    def keep(name: str, **members: Any) -> None:
        made = {"Name": name, "Type": "A", **members}
        if "AliasTarget" not in made:
            made.setdefault("TTL", 60)
        change(account, zone[0], {"Action": "CREATE", "ResourceRecordSet": made})
        cleanup.callback(change, account, zone[0], {"Action": "DELETE", "ResourceRecordSet": made})

    return keep


@pytest.fixture
def unhealthy(account: Account, name: str, cleanup: ExitStack) -> str:
    """A health check that is unhealthy at once, and asks nobody: disabled ones are healthy, inverted."""
    route53 = account.client("route53")
    config = {"Type": "TCP", "IPAddress": "192.0.2.9" if chosen() == AWS else "127.0.0.1", "Port": 9,
              "Disabled": True, "Inverted": True}  # fmt: skip
    made = route53.create_health_check(CallerReference=name, HealthCheckConfig=config)["HealthCheck"]["Id"]
    cleanup.callback(route53.delete_health_check, HealthCheckId=made)
    return str(made)


def values(*addresses: str) -> list[dict[str, str]]:
    return [{"Value": each} for each in addresses]


def test_a_name_is_answered(account: Account, zone: tuple[str, str], kept: Callable[..., None]) -> None:
    where, domain = zone
    kept(f"a.{domain}", ResourceRecords=values("192.0.2.1", "192.0.2.2"))
    kept(f"*.{domain}", ResourceRecords=values("192.0.2.3"))
    kept(f"alias.{domain}", AliasTarget={
        "HostedZoneId": where, "DNSName": f"a.{domain}", "EvaluateTargetHealth": False})  # fmt: skip
    both = ["192.0.2.1", "192.0.2.2"]
    account.until(lambda: answered(account, where, f"alias.{domain}") == ("NOERROR", both))
    assert answered(account, where, f"a.{domain}") == ("NOERROR", both)
    assert answered(account, where, f"a.{domain}", "TXT") == ("NOERROR", [])
    assert answered(account, where, f"any.thing.{domain}") == ("NOERROR", ["192.0.2.3"])
    assert len(answered(account, where, domain, "NS")[1]) == 4
    route53 = account.client("route53")
    with pytest.raises(route53.exceptions.NoSuchHostedZone):
        answered(account, "Z00000000000000000000", domain)


def test_nobody_has_the_name(account: Account, zone: tuple[str, str]) -> None:
    assert answered(account, zone[0], f"a.{zone[1]}") == ("NXDOMAIN", [])


def test_a_healthy_primary_answers_and_else_the_secondary(
    account: Account, zone: tuple[str, str], kept: Callable[..., None], unhealthy: str
) -> None:
    where, domain = zone
    for name, primary in (("bad", unhealthy), ("worse", unhealthy)):
        check = {"HealthCheckId": unhealthy} if name == "worse" else {}
        kept(f"{name}.{domain}", Failover="PRIMARY", SetIdentifier="1", HealthCheckId=primary,
             ResourceRecords=values("192.0.2.1"))  # fmt: skip
        kept(f"{name}.{domain}", Failover="SECONDARY", SetIdentifier="2", **check,
             ResourceRecords=values("192.0.2.2"))  # fmt: skip
    alias = {"HostedZoneId": where, "DNSName": f"worse.{domain}", "EvaluateTargetHealth": True}
    kept(f"shared.{domain}", Failover="PRIMARY", SetIdentifier="1", AliasTarget=alias)
    kept(f"shared.{domain}", Failover="SECONDARY", SetIdentifier="2", ResourceRecords=values("192.0.2.3"))
    account.until(lambda: answered(account, where, f"bad.{domain}") == ("NOERROR", ["192.0.2.2"]))
    # Where nothing is healthy everything counts as healthy.
    account.until(lambda: answered(account, where, f"worse.{domain}") == ("NOERROR", ["192.0.2.1"]))
    # An alias is as healthy as what it leads to.
    account.until(lambda: answered(account, where, f"shared.{domain}") == ("NOERROR", ["192.0.2.3"]))


def test_weights_share_among_the_healthy(
    account: Account, zone: tuple[str, str], kept: Callable[..., None], unhealthy: str
) -> None:
    where, domain = zone
    for number, (weight, check) in enumerate([(1, None), (1, None), (0, None), (200, unhealthy)]):
        checked = {"HealthCheckId": check} if check else {}
        kept(f"w.{domain}", Weight=weight, SetIdentifier=str(number), **checked,
             ResourceRecords=values(f"192.0.2.{number}"))  # fmt: skip
    seen: set[str] = set()

    def both() -> bool:
        seen.update(answered(account, where, f"w.{domain}")[1])
        return seen >= {"192.0.2.0", "192.0.2.1"}

    account.until(both)
    if chosen() != AWS:  # where changes take a moment
        assert seen == {"192.0.2.0", "192.0.2.1"}
