"""WAF: IP sets and web ACLs as records. Cases of what they stop belong here as well."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import Account, delete

SCOPE = "REGIONAL"


def visible(name: str) -> dict[str, Any]:
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": name}


@pytest.fixture
def networks(account: Account, name: str, cleanup: ExitStack) -> dict[str, Any]:
    waf = account.client("wafv2")
    made: dict[str, Any] = waf.create_ip_set(
        Name=name, Scope=SCOPE, IPAddressVersion="IPV4", Addresses=["192.0.2.0/24"]
    )["Summary"]

    def delete_with_lock() -> None:
        lock = waf.get_ip_set(Name=name, Scope=SCOPE, Id=made["Id"])["LockToken"]
        waf.delete_ip_set(Name=name, Scope=SCOPE, Id=made["Id"], LockToken=lock)

    cleanup.callback(delete, delete_with_lock)
    return made


@pytest.mark.differs_locally("lock tokens are not compared")
def test_an_old_lock_token_changes_nothing(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    which = {"Name": networks["Name"], "Scope": SCOPE, "Id": networks["Id"]}
    next_lock = waf.update_ip_set(**which, Addresses=["198.51.100.0/24"], LockToken=networks["LockToken"])
    assert next_lock["NextLockToken"] != networks["LockToken"]
    with pytest.raises(waf.exceptions.WAFOptimisticLockException):
        waf.update_ip_set(**which, Addresses=[], LockToken=networks["LockToken"])
    assert waf.get_ip_set(**which)["IPSet"]["Addresses"] == ["198.51.100.0/24"]


def test_a_name_is_given_once(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFDuplicateItemException):
        waf.create_ip_set(Name=networks["Name"], Scope=SCOPE, IPAddressVersion="IPV4", Addresses=[])


@pytest.mark.differs_locally("the API, unlike stacks, takes any address")
def test_what_is_no_address_is_refused(account: Account, networks: dict[str, Any]) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFInvalidParameterException):
        waf.update_ip_set(
            Name=networks["Name"], Scope=SCOPE, Id=networks["Id"], Addresses=["192.0.2.300/24"],
            LockToken=networks["LockToken"],
        )  # fmt: skip


@pytest.mark.differs_locally("the API, unlike stacks, deletes what is referred to")
def test_what_a_web_acl_refers_to_is_not_deleted(
    account: Account, networks: dict[str, Any], name: str, cleanup: ExitStack
) -> None:
    waf = account.client("wafv2")
    statement = {"IPSetReferenceStatement": {"ARN": networks["ARN"]}}
    rule = {"Name": "r", "Priority": 0, "Statement": statement, "Action": {"Block": {}}}
    made = waf.create_web_acl(
        Name=name, Scope=SCOPE, DefaultAction={"Allow": {}}, VisibilityConfig=visible(name),
        Rules=[{**rule, "VisibilityConfig": visible("r")}],
    )["Summary"]  # fmt: skip
    cleanup.callback(waf.delete_web_acl, Name=name, Scope=SCOPE, Id=made["Id"], LockToken=made["LockToken"])
    with pytest.raises(waf.exceptions.WAFAssociatedItemException):
        waf.delete_ip_set(
            Name=networks["Name"], Scope=SCOPE, Id=networks["Id"], LockToken=networks["LockToken"]
        )


def test_what_is_not_there(account: Account, name: str) -> None:
    waf = account.client("wafv2")
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.get_web_acl(Name=name, Scope=SCOPE, Id="00000000-0000-0000-0000-000000000000")
