"""What a web ACL sees of bodies, and the stand-in for AWS's managed rule groups."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from localcloud.balancer.http import Head
from localcloud.balancer.webacl import BODY_LIMIT, Judge, Request, Verdict, managed
from tests.localcloud.balancer.balancer_harness import balanced, echo_head, run, talk
from tests.localcloud.conftest import ROOT

#: What names of rules end in, after what the page says once for all of them.
ENDS = {"BODY", "COOKIE", "Cookie_HEADER", "HEADER", "QUERYARGUMENTS", "QUERYSTRING", "URIPATH"}
JSON_BODY = {
    "JsonBody": {
        "MatchPattern": {"All": {}}, "MatchScope": "ALL", "InvalidFallbackBehavior": "EVALUATE_AS_STRING",
        "OversizeHandling": "CONTINUE",
    }
}  # fmt: skip


def statement(kind: str, field: dict[str, Any], *steps: str, **more: Any) -> dict[str, Any]:
    steps = steps or ("NONE",)
    changes = [{"Priority": number, "Type": step} for number, step in enumerate(steps)]
    return {kind: {"FieldToMatch": field, "TextTransformations": changes, **more}}


def acl(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    rules = [
        {"Name": f"rule{number}", "Priority": number, "Statement": one, "Action": {"Block": {}}, **more}
        for number, one in enumerate(statements)
    ]
    return {"ARN": "acl", "Name": "acl", "Rules": rules, "DefaultAction": {"Allow": {}}}


def group(name: str = managed.COMMON, **more: Any) -> dict[str, Any]:
    return {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name, **more}}


def judged(web_acl: dict[str, Any], target: str = "/", body: bytes = b"", **more: Any) -> Verdict:
    fields = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in more.pop("headers", {}).items()
    ]
    head = Head((more.pop("method", "POST").encode(), target.encode(), b"HTTP/1.1"), fields)
    return Judge(lambda _: []).judge(web_acl, Request(head, "127.0.0.1", body, **more))


def within(verdict: Verdict) -> str:
    """The managed rule that blocked, "" when none did."""
    return verdict.terminating.within if verdict.terminating else ""


IN_JSON = statement("XssMatchStatement", JSON_BODY, "JS_DECODE")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b'{"message":"hello"}', False),
        (b'{"message":"a < b and c > d"}', False),
        (b'{"message":"<script>alert(1)</script>"}', True),
        (rb'{"message":"\u003cscript\u003ealert(1)"}', True),
        (rb'{"message":"\x3cimg src=x onerror=alert(1)>"}', True),
        (b'{"<script>":1}', True),
        (b'{"deep":[{"x":["<svg onload=y>"]}]}', True),
        (b"no json, but <script>", True),
        (b"no json", False),
        (b"", False),
    ],
)
def test_scripts_in_json_also_those_written_with_escapes(body: bytes, refused: bool) -> None:
    assert (judged(acl(IN_JSON)).action, judged(acl(IN_JSON), body=body).action == "Block") == (
        "Allow",
        refused,
    )


@pytest.mark.parametrize(
    ("scope", "fallback", "body", "refused"),
    [
        ("KEY", None, b'{"a":"<script>"}', False), ("KEY", None, b'{"<script>":1}', True),
        ("VALUE", None, b'{"a":"<script>"}', True), ("VALUE", None, b'{"<script>":1}', False),
        ("ALL", "MATCH", b"{", True), ("ALL", "NO_MATCH", b"{<script>", False),
        ("ALL", None, b'{"a":"<script>", !', True), ("ALL", None, b'{"a":1, ! "<script>"', False),
    ],
)  # fmt: skip
def test_what_of_json_is_looked_at(scope: str, fallback: str | None, body: bytes, refused: bool) -> None:
    field = {"MatchPattern": {"All": {}}, "MatchScope": scope, "OversizeHandling": "CONTINUE"}
    if fallback:
        field["InvalidFallbackBehavior"] = fallback
    found = judged(acl(statement("XssMatchStatement", {"JsonBody": field})), body=body)
    assert (found.action == "Block") == refused


@pytest.mark.parametrize(("handling", "refused"), [("CONTINUE", False), ("MATCH", True), ("NO_MATCH", False)])
def test_a_body_that_is_longer_than_can_be_seen(handling: str, refused: bool) -> None:
    size = statement(
        "SizeConstraintStatement", {"Body": {"OversizeHandling": handling}}, ComparisonOperator="LT", Size=10
    )
    found = judged(acl(size), body=b"x" * BODY_LIMIT, oversize=True)
    assert (found.action == "Block") == refused


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
    tried = {case[0] for test in tests for case in test.pytestmark[0].args[1]}  # type: ignore[attr-defined]
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


GUARDED = acl(IN_JSON)


def post(body: bytes, *fields: bytes, chunks: int = 0) -> bytes:
    length = b"Transfer-Encoding: chunked" if chunks else b"Content-Length: %d" % len(body)
    head = b"\r\n".join([b"POST / HTTP/1.1", b"Host: a", b"Connection: close", length, *fields]) + b"\r\n\r\n"
    if chunks:
        pieces = [body[start : start + chunks] for start in range(0, len(body), chunks)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return head + body


async def whole_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the body that arrived, however it was framed."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = b""
    if b"chunked" in head:
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
    else:
        (length,) = [
            int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")
        ]
        body = await reader.readexactly(length)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("chunks", [0, 7, 1000, 20_000])
@pytest.mark.parametrize("size", [2, 8191, 8192, 8193, 300_000])
def test_bodies_arrive_whole_however_they_were_looked_at(chunks: int, size: int) -> None:
    if chunks == 7 and size > 10_000:
        size = 20_000
    body = json.dumps("x" * (size - 2)).encode()

    async def case() -> None:
        async with balanced(whole_body, acl=GUARDED) as (port, _):
            answer = await talk(port, post(body, chunks=chunks))
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.partition(b"\r\n\r\n")[2] == body

    run(case)


@pytest.mark.parametrize("chunks", [0, 7])
def test_what_is_blocked_by_its_body_never_reaches_the_target(chunks: int) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError(await reader.read(10))

    async def case() -> None:
        async with balanced(never, acl=GUARDED) as (port, _):
            answer = await talk(port, post(b'{"m":"<script>"}', chunks=chunks))
            assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
            assert answer.endswith(b"<center><h1>403 Forbidden</h1></center>\r\n</body>\r\n</html>\r\n")
            # Not even with the rest still on its way.
            large = post(b'{"m":"<script>' + b"x" * 200_000 + b'"}', chunks=chunks and 1000)
            assert (await talk(port, large)).startswith(b"HTTP/1.1 403 ")

    run(case)


def test_behind_what_can_be_seen_a_script_passes() -> None:
    async def case() -> None:
        async with balanced(whole_body, acl=GUARDED) as (port, _):
            body = json.dumps("x" * BODY_LIMIT + "<script>").encode()
            assert (await talk(port, post(body))).startswith(b"HTTP/1.1 200 ")

    run(case)


def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    async def case() -> None:
        async with balanced(echo_head, acl=GUARDED) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head, _, body = post(b'{"m":1}', b"Expect: 100-continue").partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            async with asyncio.timeout(5):
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(body)
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            # It was answered here; the target would wait for nobody.
            assert b"expect" not in answer.lower()
            assert answer.endswith(body)
            writer.close()

    run(case)


def test_an_upgrade_is_looked_at_too() -> None:
    fields = b"Host: a\r\nUser-Agent: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    upgrade = b"GET /?q=%3Cscript%3E HTTP/1.1\r\n" + fields

    async def case() -> None:
        async with balanced(echo_head, acl=acl(group())) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(upgrade)
            async with asyncio.timeout(5):
                assert (await reader.readline()) == b"HTTP/1.1 403 Forbidden\r\n"
            writer.close()

    run(case)
