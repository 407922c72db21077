"""The edge stack in front of a load balancer of a real local cloud: who is refused, and what is written."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.balancer.webacl import managed
from tests.localcloud.conftest import TEMPLATES, Cloud, free_port

SECRET = "Bearer very-secret"
SCRIPT = b'{"message":"\\u003cscript\\u003e"}'


def balancer(port: int, acl: str, bucket: str) -> dict[str, Any]:
    """A load balancer that says ok, with access logs, guarded by the web ACL."""
    attributes = {
        "access_logs.s3.enabled": "true", "access_logs.s3.bucket": bucket, "access_logs.s3.prefix": "lb",
        "routing.http.desync_mitigation_mode": "strictest",
    }  # fmt: skip
    kind = "AWS::ElasticLoadBalancingV2::"
    ok = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "ok"}
    return {
        "Resources": {
            "Balancer": {
                "Type": f"{kind}LoadBalancer",
                "Properties": {
                    "LoadBalancerAttributes": [{"Key": k, "Value": v} for k, v in attributes.items()]
                },
            },
            "Listener": {
                "Type": f"{kind}Listener",
                "Properties": {
                    "LoadBalancerArn": {"Ref": "Balancer"}, "Port": port, "Protocol": "HTTP",
                    "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": ok}],
                },
            },
            "Guard": {
                "Type": "AWS::WAFv2::WebACLAssociation",
                "Properties": {"ResourceArn": {"Ref": "Balancer"}, "WebACLArn": acl},
            },
        },
        "Outputs": {"Arn": {"Value": {"Ref": "Balancer"}}},
    }  # fmt: skip


def ask(port: int, target: str = "/", body: bytes | None = None, method: str = "POST", **fields: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"User-Agent": 'say "hi"', "Authorization": SECRET, **fields}
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def test_the_edge_stack_refuses_samples_and_logs(own_cloud: Cloud, until: Callable[..., None]) -> None:
    own_cloud.run("up")
    port = free_port()
    edge = outputs(own_cloud.deploy("edge", (TEMPLATES / "edge.yaml").read_text()))
    made = own_cloud.deploy("front", balancer(port, edge["WebAclArn"], edge["AccessLogBucket"]))
    assert made["StackStatus"] == "CREATE_COMPLETE", own_cloud.failures("front")
    until(lambda: _listens(port))

    assert ask(port, body=b'{"message":"hello"}') == 200
    assert ask(port, body=SCRIPT) == 403
    assert ask(port, "/?q=%3Cscript%3E") == 403
    assert ask(port, body=b'{"message":"${jndi:ldap://x}"}') == 403
    # Counted, as the template says.
    assert ask(port, body=b'{"message":"see ../../etc/passwd"}') == 200
    # The parser is strict, and the attribute asks for no less.
    assert ask(port, method="GET", body=b"x") == 400

    _look_at_samples(own_cloud, edge["WebAclArn"])
    logs = own_cloud.client("logs")
    group = "aws-waf-logs-edge"
    until(lambda: len(logs.filter_log_events(logGroupName=group)["events"]) == 3)
    _look_at_log(
        [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]
    )

    # An interval ends after five minutes, or when the local cloud is stopped.
    own_cloud.run("down")
    own_cloud.run("up")
    s3 = own_cloud.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=edge["AccessLogBucket"])["Contents"]]
    (key,) = keys
    name = outputs(made)["Arn"].partition(":loadbalancer/")[2]
    start = f"lb/AWSLogs/000000000000/elasticloadbalancing/us-east-1/{datetime.now(UTC):%Y/%m/}"
    assert key.startswith(start)
    assert f"_elasticloadbalancing_us-east-1_{name.replace('/', '.')}_" in key
    assert key.endswith(".log.gz")
    content = s3.get_object(Bucket=edge["AccessLogBucket"], Key=key)["Body"].read()
    _look_at_access_log(gzip.decompress(content).decode(), name, port)


def _listens(port: int) -> bool:
    try:
        ask(port)
    except OSError:
        return False
    return True


def _look_at_samples(cloud: Cloud, arn: str) -> None:
    now = datetime.now(UTC)
    window = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}

    def samples(metric: str) -> list[dict[str, Any]]:
        found = cloud.client("wafv2").get_sampled_requests(
            WebAclArn=arn, RuleMetricName=metric, Scope="REGIONAL", TimeWindow=window, MaxItems=10
        )
        return list(found["SampledRequests"])

    (script,) = samples("scripts-in-json")
    assert (script["Action"], script["Request"]["Method"]) == ("BLOCK", "POST")
    shown = {one["Name"].lower(): one["Value"] for one in script["Request"]["Headers"]}
    assert shown["authorization"] not in ("", SECRET)
    (lfi, query) = sorted(samples("common"), key=lambda one: one["Action"], reverse=True)[:2]
    assert lfi["RuleNameWithinRuleGroup"] == "AWS#AWSManagedRulesCommonRuleSet#GenericLFI_BODY"
    assert (lfi["Action"], lfi["OverriddenAction"]) == ("COUNT", "BLOCK")
    assert (query["Action"], "script" in query["Request"]["URI"]) == ("BLOCK", False)
    assert [one["Action"] for one in samples("known-bad-inputs")] == ["BLOCK"]


def _look_at_log(lines: list[dict[str, Any]]) -> None:
    assert [one["terminatingRuleId"] for one in lines] == ["scripts-in-json", "common", "known-bad-inputs"]
    assert [one["terminatingRuleType"] for one in lines] == [
        "REGULAR",
        "MANAGED_RULE_GROUP",
        "MANAGED_RULE_GROUP",
    ]
    assert {one["action"] for one in lines} == {"BLOCK"}
    within = [group["terminatingRule"]["ruleId"] for one in lines for group in one["ruleGroupList"]]
    assert within == ["CrossSiteScripting_QUERYARGUMENTS", "Log4JRCE_BODY"]
    assert lines[1]["labels"] == [
        {"name": "awswaf:managed:aws:core-rule-set:CrossSiteScripting_QueryArguments"}
    ]
    text = json.dumps(lines)
    assert SECRET not in text
    # Queries are hashed, too, and bodies are never written.
    assert "3Cscript" not in text
    assert "jndi" not in text


def _look_at_access_log(text: str, name: str, port: int) -> None:
    # Without the one that waited for the listener.
    lines = [line for line in text.splitlines() if '"POST ' in line or '"GET ' in line]
    found = [_fields(line) for line in lines]
    assert {len(fields) for fields in found} == {33}
    assert [fields[8] for fields in found][-6:] == ["200", "403", "403", "403", "200", "400"]
    first, script = found[-6], found[-5]
    assert (first[0], first[2], first[4]) == ("http", name, "-")
    assert first[12] == f"POST http://127.0.0.1:{port}/ HTTP/1.1"
    assert first[13] == r"say \x22hi\x22"
    assert (first[20], first[22], script[22]) == ("0", "waf,fixed-response", "waf")
    assert found[-1][27:29] == ["Ambiguous", "UndefinedContentLengthSemantics"]
    assert SECRET not in text


def _fields(line: str) -> list[str]:
    fields: list[str] = []
    for number, part in enumerate(line.split('"')):
        fields += [part] if number % 2 else part.split()
    return fields


def test_an_override_of_a_rule_that_the_group_does_not_have_is_refused(shared_cloud: Cloud) -> None:
    template = (TEMPLATES / "edge.yaml").read_text()
    assert "SizeRestrictions_BODY," in template
    broken = template.replace("SizeRestrictions_BODY,", "SizeRestriction_BODY,")
    made = shared_cloud.deploy("broken-edge", broken)
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = [why for _, _, why in shared_cloud.failures("broken-edge") if "no such rule" in why]
    assert "SizeRestriction_BODY" in reason
    shared_cloud.delete("broken-edge")


def test_the_rules_of_a_managed_group_are_told(shared_cloud: Cloud) -> None:
    waf = shared_cloud.client("wafv2")
    found = waf.describe_managed_rule_group(VendorName="AWS", Name=managed.COMMON, Scope="REGIONAL")
    assert "CrossSiteScripting_BODY" in [rule["Name"] for rule in found["Rules"]]
    with pytest.raises(waf.exceptions.WAFNonexistentItemException):
        waf.describe_managed_rule_group(VendorName="AWS", Name="Other", Scope="REGIONAL")
