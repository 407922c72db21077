"""What the balancer says by itself, why, and what it adds to what it passes on."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest

from localcloud.balancer.http import Head
from localcloud.balancer.tracing import traced
from localcloud.balancer.webacl import Request, Verdict
from localcloud.balancer.webacl.judge import Match
from localcloud.balancer.webacl.logs import keeps
from localcloud.balancer.webacl.protection import shown
from tests.localcloud.balancer.balancer_harness import balanced, echo_head, run, talk

MARK = rb"1-[0-9a-f]{8}-[0-9a-f]{24}"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (b"", rb"Root=%b"), (b"CalledFrom=app", rb"Root=%b;CalledFrom=app"),
        (b"Root=1-a-b", rb"Self=%b;Root=1-a-b"),
        (b"Root=1-a-b;CalledFrom=app", rb"Self=%b;Root=1-a-b;CalledFrom=app"),
        (b"Self=1-c-d;Root=1-a-b", rb"Self=%b;Root=1-a-b"),
    ],
)  # fmt: skip
def test_the_trace_header_keeps_its_root(given: bytes, wanted: bytes) -> None:
    assert re.fullmatch(wanted.replace(b"%b", MARK), traced(given))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + b"192.0.2.1," * 30 + b"192.0.2.1\r\n\r\n", 463),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET /" + b"a" * 16_400 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 16_400 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: %b\r\n" % (b"a" * 15_000) * 5 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
)  # fmt: skip
def test_what_is_refused_with_which_status(request_: bytes, status: int) -> None:
    async def case() -> None:
        async with balanced(echo_head) as (port, _):
            answer = await talk(port, request_)
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert b"\r\nServer: awselb/2.0\r\n" in answer
            assert b"\r\nDate: " in answer
            assert b"<center><h1>%d" % status in answer

    run(case)


def test_as_many_addresses_as_are_allowed_pass() -> None:
    async def case() -> None:
        async with balanced(echo_head) as (port, _):
            addresses = b", ".join([b"192.0.2.1"] * 30)
            head = (
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: "
                + addresses
                + b"\r\n\r\n"
            )
            answer = await talk(port, head)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"X-Forwarded-For: " + addresses + b", 127.0.0.1\r\n" in answer

    run(case)


def test_a_target_that_takes_no_connection_is_a_502() -> None:
    async def case() -> None:
        async with balanced(echo_head) as (port, group):
            (target,) = group.targets.values()
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                target.port = unused.getsockname()[1]
                answer = await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")

    run(case)


def test_a_target_that_never_answers_is_a_504() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def case() -> None:
        async with balanced(silent, idle=0.3) as (port, _):
            answer = await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 504 Gateway Time-out\r\n")

    run(case)


RULE = {"Name": "rule", "Priority": 0, "Statement": {}}


def condition(action: str) -> dict[str, Any]:
    return {"ActionCondition": {"Action": action}}


LABEL = {"LabelNameCondition": {"LabelName": "mine"}}


@pytest.mark.parametrize(
    ("requirement", "conditions", "kept"),
    [
        ("MEETS_ANY", [condition("BLOCK")], True), ("MEETS_ANY", [condition("ALLOW")], False),
        ("MEETS_ANY", [condition("ALLOW"), LABEL], True), ("MEETS_ALL", [condition("ALLOW"), LABEL], False),
        ("MEETS_ALL", [condition("BLOCK"), condition("COUNT"), LABEL], True),
        ("MEETS_ANY", [condition("EXCLUDED_AS_COUNT")], False),
    ],
)  # fmt: skip
def test_a_logging_filter_keeps_or_drops(requirement: str, conditions: list[Any], kept: bool) -> None:
    request = Request(Head((b"GET", b"/", b"HTTP/1.1"), []), "127.0.0.1", labels=["mine"])
    verdict = Verdict("Block", Match(RULE, "Block"), [Match(RULE, "Count")])
    one = {"Behavior": "KEEP", "Requirement": requirement, "Conditions": conditions}
    assert keeps({"DefaultBehavior": "DROP", "Filters": [one]}, request, verdict) == kept
    dropping = {"DefaultBehavior": "KEEP", "Filters": [{**one, "Behavior": "DROP"}]}
    assert keeps(dropping, request, verdict) != kept
    assert keeps(None, request, verdict)


def test_protected_fields_are_hashed_or_replaced() -> None:
    fields = [(b"Authorization", b"secret"), (b"Cookie", b"a=1; session=secret"), (b"Accept", b"*/*")]
    request = Request(Head((b"GET", b"/p?token=secret&b=2", b"HTTP/1.1"), fields), "127.0.0.1")

    def protecting(action: str, kind: str, *keys: str) -> dict[str, Any]:
        field = {"FieldType": kind, **({"FieldKeys": list(keys)} if keys else {})}
        return {"DataProtectionConfig": {"DataProtections": [{"Action": action, "Field": field}]}}

    hashed = "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="
    assert dict(shown(protecting("HASH", "SINGLE_HEADER", "authorization"), request).headers) == {
        "Authorization": hashed, "Cookie": "a=1; session=secret", "Accept": "*/*"
    }  # fmt: skip
    cookies = dict(shown(protecting("SUBSTITUTION", "SINGLE_COOKIE", "session"), request).headers)
    assert cookies["Cookie"] == "a=1; session=REDACTED"
    assert shown(protecting("HASH", "SINGLE_QUERY_ARGUMENT", "token"), request).query == f"token={hashed}&b=2"
    assert "secret" not in shown(protecting("HASH", "QUERY_STRING"), request).query
    redacted = shown({}, request, [{"UriPath": {}}, {"SingleHeader": {"Name": "cookie"}}])
    assert (redacted.uri, dict(redacted.headers)["Cookie"]) == ("REDACTED", "REDACTED")
