"""WAF: IP sets and web ACLs as records. Cases of what they stop belong here as well."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import Account, delete

SCOPE = "REGIONAL"


def visible(name: str) -> dict[str, Any]:
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": name}


def which(made: dict[str, Any]) -> dict[str, str]:
    return {"Name": made["Name"], "Scope": SCOPE, "Id": made["Id"]}


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    """What a web ACL consists of."""
    return {"DefaultAction": {"Allow": {}}, "VisibilityConfig": visible("acl"), "Rules": list(given)}


def blocking(networks: str) -> dict[str, Any]:
    """A rule against an IP set."""
    return {
        "Name": "r", "Priority": 0, "Statement": {"IPSetReferenceStatement": {"ARN": networks}},
        "Action": {"Block": {}}, "VisibilityConfig": visible("r"),
    }  # fmt: skip


@pytest.fixture
def acl(account: Account, name: str, cleanup: ExitStack) -> dict[str, Any]:
    """A web ACL without rules, deleted before the IP sets. By the hour, it costs less than a cent."""
    waf = account.client("wafv2")
    made: dict[str, Any] = waf.create_web_acl(Name=name, Scope=SCOPE, **rules())["Summary"]

    def delete_with_lock() -> None:
        lock = waf.get_web_acl(**which(made))["LockToken"]
        waf.delete_web_acl(**which(made), LockToken=lock)

    cleanup.callback(delete, delete_with_lock)
    return made


@pytest.fixture
def networks(account: Account, name: str, cleanup: ExitStack) -> dict[str, Any]:
    waf = account.client("wafv2")
    made: dict[str, Any] = waf.create_ip_set(
        Name=name, Scope=SCOPE, IPAddressVersion="IPV4", Addresses=["192.0.2.0/24"]
    )["Summary"]

    def delete_with_lock() -> None:
        lock = waf.get_ip_set(**which(made))["LockToken"]
        waf.delete_ip_set(**which(made), LockToken=lock)

    cleanup.callback(delete, delete_with_lock)
    return made


def test_an_old_lock_token_changes_nothing(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    next_lock = waf.update_ip_set(
        **which(networks), Addresses=["198.51.100.0/24"], LockToken=networks["LockToken"]
    )
    assert next_lock["NextLockToken"] != networks["LockToken"]
    with pytest.raises(waf.exceptions.WAFOptimisticLockException):
        waf.update_ip_set(**which(networks), Addresses=[], LockToken=networks["LockToken"])
    assert waf.get_ip_set(**which(networks))["IPSet"]["Addresses"] == ["198.51.100.0/24"]


def test_a_name_is_given_once(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFDuplicateItemException):
        waf.create_ip_set(Name=networks["Name"], Scope=SCOPE, IPAddressVersion="IPV4", Addresses=[])


def test_what_is_no_address_is_refused(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFInvalidParameterException):
        waf.update_ip_set(**which(networks), Addresses=["192.0.2.300/24"], LockToken=networks["LockToken"])


def test_what_a_web_acl_refers_to_is_not_deleted(
    account: Account, networks: dict[str, Any], acl: dict[str, Any]
) -> None:
    waf = account.client("wafv2")
    waf.update_web_acl(**which(acl), **rules(blocking(networks["ARN"])), LockToken=acl["LockToken"])
    with pytest.raises(waf.exceptions.WAFAssociatedItemException):
        waf.delete_ip_set(**which(networks), LockToken=networks["LockToken"])


def test_what_is_not_there(account: Account, name: str) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.get_web_acl(Name=name, Scope=SCOPE, Id="00000000-0000-0000-0000-000000000000")


def test_addresses_and_description_are_what_was_said_last(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    waf.update_ip_set(**which(networks), Addresses=[], Description="none", LockToken=networks["LockToken"])
    found = waf.get_ip_set(**which(networks))["IPSet"]
    assert (found["Addresses"], found["Description"]) == ([], "none")


@pytest.mark.parametrize("address", ["2001:db8::/64", "0.0.0.0/0", "example.test"])
def test_an_ip_set_has_ranges_of_one_version(account: Account, name: str, address: str) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFInvalidParameterException):
        waf.create_ip_set(Name=name, Scope=SCOPE, IPAddressVersion="IPV4", Addresses=[address])


@pytest.mark.parametrize("action", ["update_web_acl", "delete_web_acl"])
def test_a_web_acl_is_changed_with_its_newest_lock_token(
    account: Account, acl: dict[str, Any], action: str
) -> None:
    waf = account.client("wafv2")
    new = waf.update_web_acl(**which(acl), **rules(), LockToken=acl["LockToken"])["NextLockToken"]
    more = rules() if action == "update_web_acl" else {}
    with pytest.raises(waf.exceptions.WAFOptimisticLockException):
        getattr(waf, action)(**which(acl), **more, LockToken=acl["LockToken"])
    assert waf.get_web_acl(**which(acl))["LockToken"] == new


def test_a_rule_refers_to_what_is_there(
    account: Account, acl: dict[str, Any], networks: dict[str, Any]
) -> None:
    waf = account.client("wafv2")
    gone = networks["ARN"].replace(networks["Id"], "00000000-0000-0000-0000-000000000000")
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.update_web_acl(**which(acl), **rules(blocking(gone)), LockToken=acl["LockToken"])
    assert waf.get_web_acl(**which(acl))["WebACL"]["Rules"] == []


def test_a_log_goes_to_a_group_of_that_name_only(account: Account, acl: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    arn = acl["ARN"].partition(":regional/")[0].replace(":wafv2:", ":logs:")
    wrong = {"ResourceArn": acl["ARN"], "LogDestinationConfigs": [f"{arn}:log-group:other"]}
    with pytest.raises(waf.exceptions.WAFInvalidParameterException):
        waf.put_logging_configuration(LoggingConfiguration=wrong)
    for action in (waf.get_logging_configuration, waf.delete_logging_configuration):
        with pytest.raises(waf.exceptions.WAFNonexistentItemException):
            action(ResourceArn=acl["ARN"])


@pytest.mark.costly_on_aws("a load balancer costs by the hour and takes minutes")
def test_a_web_acl_in_use_is_not_deleted(
    account: Account, acl: dict[str, Any], name: str, network: tuple[str, list[str]], cleanup: ExitStack
) -> None:
    waf, elb = account.client("wafv2"), account.client("elbv2")
    made = elb.create_load_balancer(Name=name, Subnets=network[1], Scheme="internal")["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    cleanup.callback(delete, elb.delete_load_balancer, LoadBalancerArn=arn)
    assert "WebACL" not in waf.get_web_acl_for_resource(ResourceArn=arn)
    waf.associate_web_acl(WebACLArn=acl["ARN"], ResourceArn=arn)
    assert waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["Id"] == acl["Id"]
    with pytest.raises(waf.exceptions.WAFAssociatedItemException):
        waf.delete_web_acl(**which(acl), LockToken=acl["LockToken"])
    waf.disassociate_web_acl(ResourceArn=arn)
    waf.delete_web_acl(**which(acl), LockToken=acl["LockToken"])


def test_a_load_balancer_that_is_not_there_is_not_guarded(account: Account, acl: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    arn = acl["ARN"].partition(":regional/")[0].replace(":wafv2:", ":elasticloadbalancing:")
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.associate_web_acl(
            WebACLArn=acl["ARN"], ResourceArn=f"{arn}:loadbalancer/app/none/0000000000000000"
        )
