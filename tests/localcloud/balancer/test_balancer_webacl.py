"""The web ACL in front of the balancer: what its rules refuse, and what it leaves alone."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from localcloud.balancer.http import Head
from localcloud.balancer.webacl import Judge, Request
from tests.localcloud.balancer.balancer_harness import balanced, echo_head, run, talk

SETS = {"near": ["127.0.0.0/8", "10.0.0.0/8"], "far": ["192.0.2.0/24"], "six": ["2001:db8::/32"]}
NEAR, FAR, SIX = ({"IPSetReferenceStatement": {"ARN": name}} for name in ("near", "far", "six"))
UNKNOWN = {"GeoMatchStatement": {"CountryCodes": ["DE"]}}
FURTHER = {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesBotControlRuleSet"}}
PLAIN = [{"Priority": 0, "Type": "NONE"}]


def rule(
    statement: dict[str, Any], action: dict[str, Any] | None = None, priority: int = 0
) -> dict[str, Any]:
    found = {"Name": f"rule{priority}", "Priority": priority, "Statement": statement}
    return {**found, "Action": action or {"Block": {}}}


def acl(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"ARN": "acl", "Rules": list(rules), "DefaultAction": {"Allow": {}}, **more}


def status(web_acl: dict[str, Any], target: str = "/", client: str = "127.0.0.1", **headers: str) -> int:
    """What one request gets: 200 when it passes."""
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    head = Head((b"GET", target.encode(), b"HTTP/1.1"), fields)
    refusal = Judge(SETS.__getitem__).judge(web_acl, Request(head, client)).refusal
    return refusal.status if refusal else 200


PATH: dict[str, Any] = {"UriPath": {}}
QUERY: dict[str, Any] = {"QueryString": {}}


def match(kind: str, field: dict[str, Any], *steps: str, **more: Any) -> dict[str, Any]:
    transformations = [{"Priority": number, "Type": step} for number, step in enumerate(steps or ("NONE",))]
    return {kind: {"FieldToMatch": field, "TextTransformations": transformations, **more}}


def text(wanted: str, where: str) -> dict[str, str]:
    return {"SearchString": base64.b64encode(wanted.encode()).decode(), "PositionalConstraint": where}


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        (NEAR, True), (FAR, False), (SIX, False),
        ({"NotStatement": {"Statement": {"OrStatement": {"Statements": [FAR, NEAR]}}}}, False),
        ({"NotStatement": {"Statement": {"OrStatement": {"Statements": [FAR, SIX]}}}}, True),
        ({"AndStatement": {"Statements": [NEAR, {"NotStatement": {"Statement": FAR}}]}}, True),
        # What cannot be told is neither true nor, turned round, true.
        (UNKNOWN, False), ({"NotStatement": {"Statement": UNKNOWN}}, False), (FURTHER, False),
        ({"OrStatement": {"Statements": [UNKNOWN, NEAR]}}, True),
        ({"AndStatement": {"Statements": [UNKNOWN, NEAR]}}, False),
        ({"NotStatement": {"Statement": {"AndStatement": {"Statements": [UNKNOWN, FAR]}}}}, True),
    ],
)  # fmt: skip
def test_statements_about_addresses_and_their_combinations(statement: Any, refused: bool) -> None:
    assert status(acl(rule(statement))) == (403 if refused else 200)


HEADER = {"SingleHeader": {"Name": "X-Kind"}}


@pytest.mark.parametrize(
    ("statement", "matching", "other"),
    [
        (match("ByteMatchStatement", PATH, **text("/admin", "STARTS_WITH")), "/admin/x", "/a/admin"),
        (match("ByteMatchStatement", PATH, "LOWERCASE", **text(".php", "ENDS_WITH")), "/X.PHP", "/x"),
        (match("ByteMatchStatement", QUERY, "URL_DECODE", **text("a b", "CONTAINS")), "/?a%20b", "/?ab"),
        (match("ByteMatchStatement", PATH, **text("cat", "CONTAINS_WORD")), "/a-cat-b", "/concat"),
        (match("ByteMatchStatement", {"Method": {}}, **text("GET", "EXACTLY")), "/", None),
        (match("RegexMatchStatement", PATH, RegexString=r"^/v\d+/"), "/v12/x", "/v/x"),
        (match("SizeConstraintStatement", QUERY, ComparisonOperator="GT", Size=3), "/?abcd", "/?abc"),
        (match("ByteMatchStatement", PATH, "CSS_DECODE", **text("/", "CONTAINS")), None, "/"),
    ],
)  # fmt: skip
def test_statements_about_texts(statement: Any, matching: str | None, other: str | None) -> None:
    if matching:
        assert status(acl(rule(statement)), matching) == 403
    if other:
        assert status(acl(rule(statement)), other) == 200


def test_a_header_and_its_absence() -> None:
    bad = match("ByteMatchStatement", HEADER, **text("bad", "EXACTLY"))
    assert status(acl(rule(bad)), x_kind="bad") == 403
    assert status(acl(rule(bad)), x_kind="good") == 200
    assert status(acl(rule(bad))) == 200


def test_rules_in_their_order_and_the_default() -> None:
    allow, count = {"Allow": {}}, {"Count": {}}
    assert status(acl(rule(NEAR, priority=2), rule(NEAR, allow, 1))) == 200
    assert status(acl(rule(NEAR, priority=2), rule(NEAR, count, 1))) == 403
    closed = {"DefaultAction": {"Block": {"CustomResponse": {"ResponseCode": 451}}}}
    assert status(acl(**closed)) == 451
    assert status(acl(rule(NEAR, allow), **closed)) == 200
    override = {"Name": "m", "Priority": 0, "Statement": FURTHER, "OverrideAction": {"None": {}}}
    assert status(acl(override)) == 200


def rate(limit: int, **more: Any) -> dict[str, Any]:
    return {"RateBasedStatement": {"AggregateKeyType": "IP", "Limit": limit, **more}}


def test_rates_by_address_by_header_and_within_a_scope() -> None:
    judge = Judge(SETS.__getitem__)

    def ask(web_acl: dict[str, Any], client: str = "127.0.0.1", token: str = "") -> bool:
        fields = [(b"Authorization", token.encode())] if token else []
        return (
            judge.judge(web_acl, Request(Head((b"GET", b"/", b"HTTP/1.1"), fields), client)).refusal is None
        )

    by_address = acl(rule(rate(10), priority=1))
    assert [ask(by_address) for _ in range(12)] == [True] * 10 + [False] * 2
    assert ask(by_address, "10.0.0.1")

    header = {"Header": {"Name": "authorization", "TextTransformations": PLAIN}}
    keys = {"AggregateKeyType": "CUSTOM_KEYS", "CustomKeys": [header]}
    by_token = acl(rule(rate(10, **keys), priority=2))
    assert [ask(by_token, f"10.0.0.{n}", "a") for n in range(11)] == [True] * 10 + [False]
    assert ask(by_token, token="b")
    # Without the key a request is not counted.
    assert all(ask(by_token) for _ in range(20))

    scoped = acl(rule(rate(1, ScopeDownStatement=FAR), priority=3))
    assert all(ask(scoped) for _ in range(3))
    assert [ask(scoped, "192.0.2.1") for _ in range(2)] == [True, False]
    unknown = acl(
        rule(rate(1, AggregateKeyType="CUSTOM_KEYS", CustomKeys=[{"JA4Fingerprint": {}}]), priority=4)
    )
    assert all(ask(unknown) for _ in range(3))


def test_old_requests_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("localcloud.balancer.webacl.rates.time.monotonic", lambda: now)
    judge, web_acl = Judge(SETS.__getitem__), acl(rule(rate(10, EvaluationWindowSec=60)))
    head = Head((b"GET", b"/", b"HTTP/1.1"), [])
    found = [judge.judge(web_acl, Request(head, "127.0.0.1")).refusal for _ in range(11)]
    assert [refusal is None for refusal in found] == [True] * 10 + [False]
    now += 70
    assert judge.judge(web_acl, Request(head, "127.0.0.1")).refusal is None


def test_the_answer_of_a_blocked_request_over_http() -> None:
    custom = {"ResponseCode": 429, "CustomResponseBodyKey": "many",
              "ResponseHeaders": [{"Name": "retry-after", "Value": "60"}]}  # fmt: skip
    bodies = {"many": {"ContentType": "APPLICATION_JSON", "Content": '{"status":429}'}}
    limited = acl(rule(rate(1), {"Block": {"CustomResponse": custom}}), CustomResponseBodies=bodies)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    async def case() -> None:
        async with balanced(echo_head, acl=limited) as (port, _):
            assert (await talk(port, request)).startswith(b"HTTP/1.1 200 ")
            answer = await talk(port, request)
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"\r\nretry-after: 60\r\n" in answer
            assert b"\r\nContent-Type: application/json\r\n" in answer
            assert answer.endswith(b'\r\n\r\n{"status":429}')
        async with balanced(echo_head, acl=acl(rule(NEAR)), ip_sets=SETS.__getitem__) as (port, _):
            posted = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
            assert (await talk(port, posted)).startswith(b"HTTP/1.1 403 Forbidden")

    run(case)
