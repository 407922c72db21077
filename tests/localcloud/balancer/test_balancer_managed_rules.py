"""The stand-in for AWS's managed rule groups."""

from __future__ import annotations

import re
from typing import Any

import pytest

from localcloud.balancer.webacl import BODY_LIMIT, managed
from tests.localcloud.balancer.webacl_harness import acl, group, judged, within
from tests.localcloud.conftest import ROOT

#: What names of rules end in, after what the page says once for all of them.
ENDS = {"BODY", "COOKIE", "Cookie_HEADER", "HEADER", "QUERYARGUMENTS", "QUERYSTRING", "URIPATH"}


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("", {"headers": {"User_Agent": "curl/8"}, "body": b'{"message":"a plain text, 100 % harmless"}'}),
        ("NoUserAgent_HEADER", {}),
        ("UserAgent_BadBots_HEADER", {"headers": {"User_Agent": "sqlmap/1.7"}}),
        ("SizeRestrictions_QUERYSTRING", {"target": "/?" + "a" * 2049}),
        ("SizeRestrictions_Cookie_HEADER", {"headers": {"Cookie": "a" * 10_241}}),
        ("SizeRestrictions_BODY", {"body": b"a" * BODY_LIMIT, "oversize": True}),
        ("SizeRestrictions_URIPATH", {"target": "/" + "a" * 1024}),
        ("EC2MetaDataSSRF_BODY", {"body": b"http://169.254.169.254/"}),
        ("EC2MetaDataSSRF_COOKIE", {"headers": {"Cookie": "a=169.254.169.254"}}),
        ("EC2MetaDataSSRF_URIPATH", {"target": "/169.254.169.254"}),
        ("EC2MetaDataSSRF_QUERYARGUMENTS", {"target": "/?u=169.254.169%2e254"}),
        ("GenericLFI_QUERYARGUMENTS", {"target": "/?f=..%2f..%2fetc"}),
        ("GenericLFI_URIPATH", {"target": "/a/../../b"}),
        ("GenericLFI_BODY", {"body": b"../../x"}),
        ("RestrictedExtensions_URIPATH", {"target": "/php.ini"}),
        ("RestrictedExtensions_QUERYARGUMENTS", {"target": "/?f=a.log"}),
        ("GenericRFI_QUERYARGUMENTS", {"target": "/?u=http://192.0.2.1/x"}),
        ("GenericRFI_BODY", {"body": b"https://192.0.2.1/x"}),
        ("GenericRFI_URIPATH", {"target": "/http://192.0.2.1/x"}),
        ("CrossSiteScripting_COOKIE", {"headers": {"Cookie": "a=%3Cscript%3E"}}),
        ("CrossSiteScripting_QUERYARGUMENTS", {"target": "/?q=%3Cscript%3Ealert(1)"}),
        ("CrossSiteScripting_BODY", {"body": b"<iframe src=x>"}),
        ("CrossSiteScripting_URIPATH", {"target": "/%3Csvg%20onload=x%3E"}),
    ],
)
def test_each_rule_of_the_common_group(name: str, request_: dict[str, Any]) -> None:
    headers = {} if name == "NoUserAgent_HEADER" else {"User_Agent": "curl/8"}
    request_ = {**request_, "headers": {**headers, **request_.get("headers", {})}}
    assert within(judged(acl(group()), **request_)) == name


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("", {"headers": {"Host": "localhost:8080"}, "body": b"price: ${amount}, see java.lang.String"}),
        ("JavaDeserializationRCE_HEADER", {"headers": {"X": "java.lang.Runtime"}}),
        ("JavaDeserializationRCE_BODY", {"body": b'(java.lang.Runtime).getRuntime().exec("whoami")'}),
        ("JavaDeserializationRCE_URIPATH", {"target": "/java.lang.ProcessBuilder"}),
        ("JavaDeserializationRCE_QUERYSTRING", {"target": "/?class.module.classLoader.x=1"}),
        ("PROPFIND_METHOD", {"method": "PROPFIND"}),
        ("ExploitablePaths_URIPATH", {"target": "/WEB-INF/web.xml"}),
        ("Log4JRCE_HEADER", {"headers": {"X": "${jndi:ldap://x}"}}),
        ("Log4JRCE_QUERYSTRING", {"target": "/?%24%7Bjndi:ldap://x%7D"}),
        ("Log4JRCE_BODY", {"body": b"${${lower:j}ndi:ldap://x}"}),
        ("Log4JRCE_URIPATH", {"target": "/$%7Bjndi:x%7D"}),
        ("ReactJSRCE_BODY", {"body": b'{"then":"$1:__proto__:then"}'}),
    ],
)  # fmt: skip
def test_each_rule_of_the_group_of_known_bad_inputs(name: str, request_: dict[str, Any]) -> None:
    assert within(judged(acl(group(managed.BAD_INPUTS)), **request_)) == name


def test_every_rule_has_a_case_here() -> None:
    tests = (test_each_rule_of_the_common_group, test_each_rule_of_the_group_of_known_bad_inputs)
    tried = {case[0] for test in tests for case in test.pytestmark[0].args[1]}
    known = {name for _, rules in managed.GROUPS.values() for name in rules}
    assert tried == (known - {"Host_localhost_HEADER"}) | {""}


def test_the_page_lists_the_rules_that_there_are() -> None:
    page = (ROOT / "docs" / "local-cloud.md").read_text()
    for group_, (_, rules) in managed.GROUPS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{group_}` |")]
        named, family = set(), ""
        for word in re.findall(r"`(\w+)`", row.split("|")[2]):
            family = word if word.endswith("_") else family if word in ENDS else ""
            named |= set() if word.endswith("_") else {family + word}
        assert named == set(rules)


def test_overrides_count_and_let_pass() -> None:
    script = {"headers": {"User_Agent": "a"}, "body": b"<script>"}
    override = [{"Name": "CrossSiteScripting_BODY", "ActionToUse": {"Count": {}}}]
    for counting in (
        {"RuleActionOverrides": override},
        {"ExcludedRules": [{"Name": "CrossSiteScripting_BODY"}]},
    ):
        found = judged(acl(group(**counting)), **script)
        assert found.action == "Allow"
        assert [(match.within, match.action) for match in found.counted] == [
            ("CrossSiteScripting_BODY", "Count")
        ]
    whole = acl(group(), OverrideAction={"Count": {}})
    whole["Rules"][0].pop("Action")
    found = judged(whole, **script)
    assert (found.action, [match.action for match in found.counted]) == ("Allow", ["Count"])


def test_labels_of_managed_rules_can_be_asked_for() -> None:
    override = [{"Name": "CrossSiteScripting_BODY", "ActionToUse": {"Count": {}}}]
    label = "awswaf:managed:aws:core-rule-set:CrossSiteScripting_Body"
    by_label = {"LabelMatchStatement": {"Scope": "LABEL", "Key": label}}
    by_namespace = {"LabelMatchStatement": {"Scope": "NAMESPACE", "Key": "awswaf:managed:aws:core-rule-set:"}}
    for asked in (by_label, by_namespace):
        web_acl = acl(group(RuleActionOverrides=override), asked)
        found = judged(web_acl, body=b"<script>", headers={"User_Agent": "a"})
        assert found.terminating is not None
        assert found.terminating.rule["Name"] == "rule1"
        assert judged(web_acl, body=b"plain", headers={"User_Agent": "a"}).action == "Allow"
