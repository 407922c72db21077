"""The balancer's data plane over real sockets, without the rest of the local cloud."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from localcloud.balancer.http import Head
from localcloud.balancer.routing import in_order, redirect_location, rule_for
from localcloud.balancer.targets import matches
from tests.localcloud.balancer.balancer_harness import balanced, echo_head, run, talk


def test_what_the_target_sees() -> None:
    async def case() -> None:
        async with balanced(echo_head) as (port, _):
            answer = await talk(
                port,
                b"POST /a?b HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\nKeep-Alive: 5\r\n"
                b"Bad_Name: 1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz",
            )
        assert b"POST /a?b HTTP/1.1" in answer
        assert b"X-Forwarded-For: 9.9.9.9, 127.0.0.1" in answer
        assert b"X-Forwarded-Proto: http" in answer
        assert b"X-Amzn-Trace-Id: Root=1-" in answer
        assert b"Keep-Alive" not in answer
        assert b"Bad_Name" not in answer
        assert answer.endswith(b"xyz")

    run(case)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(request_head: bytes) -> None:
    async def case() -> None:
        async with balanced(echo_head) as (port, _):
            assert (await talk(port, request_head)).startswith(b"HTTP/1.1 400 ")

    run(case)


def test_targets_that_break_off_hang_or_are_missing() -> None:
    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)

    ask = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def case() -> None:
        async with balanced(breaks) as (port, _):
            assert (await talk(port, ask)).startswith(b"HTTP/1.1 502 ")
        async with balanced(hangs, idle=0.3) as (port, _):
            assert (await talk(port, ask)).startswith(b"HTTP/1.1 504 ")
        async with balanced() as (port, _):
            assert (await talk(port, ask)).startswith(b"HTTP/1.1 503 ")

    run(case)


def test_chunks_continue_and_upgrades_pass() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"Upgrade: websocket" in head:
            writer.write(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            while data := await reader.read(100):
                writer.write(data.upper())
            return
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    async def case() -> None:
        async with balanced(target) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
                b"Connection: close\r\n\r\n"
            )
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"3\r\nabc\r\n0\r\n\r\n")
            assert (await reader.read()).endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"HELLO"
            writer.close()

    run(case)


def test_a_leaving_target_finishes_what_it_has() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

    async def case() -> None:
        async with balanced(slow) as (port, group):
            request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            asking = asyncio.create_task(talk(port, request))
            await asyncio.sleep(0.1)
            (key,) = group.targets
            group.deregister(*key)
            assert group.targets[key].state == "draining"
            assert (await asking).endswith(b"done")
            await asyncio.sleep(0.1)
            assert group.targets == {}

    run(case)


def head(target: str, method: bytes = b"GET", host: bytes = b"h", **headers: str) -> Head:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Head((method, target.encode(), b"HTTP/1.1"), [(b"Host", host), *named])


@pytest.mark.parametrize(
    ("condition", "matching", "other"),
    [
        (("path-pattern", ["/a/?[x]"]), head("/a/b[x]?q"), head("/a/bx")),
        (("path-pattern", ["/A*"]), head("http://h/Ab"), head("/ab")),
        (("host-header", ["*.Example.com"]), head("/", host=b"a.EXAMPLE.com:80"), head("/", host=b"b")),
        (("http-request-method", ["PUT"]), head("/", method=b"PUT"), head("/")),
        (("query-string", [{"Key": "v", "Value": "2*"}]), head("/?a=1&V=21"), head("/?w=21")),
        (("query-string", [{"Value": "x"}]), head("/?any=X"), head("/x")),
        (("source-ip", ["10.0.0.0/8"]), None, head("/")),
        (("unheard-of", ["*"]), None, head("/")),
    ],
)  # fmt: skip
def test_conditions_of_rules(condition: tuple[str, Any], matching: Head | None, other: Head) -> None:
    kind, values = condition
    rule = {
        "Priority": "1",
        "Actions": [{}],
        "Conditions": [{"Field": kind, "AnyConfig": {"Values": values}}],
    }
    if matching:
        assert rule_for([rule], matching, "127.0.0.1")["Actions"] == [{}]
    assert rule_for([rule], other, "127.0.0.1") == {}
    if kind == "source-ip":
        assert rule_for([rule], other, "10.1.2.3")["Actions"] == [{}]


def test_a_header_condition_and_conditions_that_must_all_hold() -> None:
    config = {"HttpHeaderName": "X-Stage", "Values": ["test*"]}
    conditions = [
        {"Field": "http-header", "Values": [], "HttpHeaderConfig": config},
        {"Field": "path-pattern", "Values": ["/*"], "PathPatternConfig": {"Values": ["/*"]}},
    ]
    rules = [{"Priority": "2", "Actions": [{}], "Conditions": conditions}]
    assert rule_for(rules, head("/", x_stage="TESTING"), "127.0.0.1")["Actions"] == [{}]
    assert rule_for(rules, head("/", x_stage="live"), "127.0.0.1") == {}
    assert rule_for(rules, head("/"), "127.0.0.1") == {}


def test_rules_redirects_and_matchers() -> None:
    rules = in_order([
        {"IsDefault": True, "Priority": "default", "Actions": [{"Type": "forward"}]},
        {"Priority": "10", "Actions": [{"Type": "redirect"}], "Conditions": []},
        {
            "Priority": "9", "Actions": [{"Type": "fixed-response"}],
            "Conditions": [{"Field": "path-pattern", "Values": ["/api/*"]}],
        },
    ])  # fmt: skip
    assert [rule["Priority"] for rule in rules] == ["9", "10", "default"]
    del rules[1]
    assert rule_for(rules, head("/api/x?y"), "127.0.0.1")["Actions"] == [{"Type": "fixed-response"}]
    assert rule_for(rules, head("/other"), "127.0.0.1")["Actions"] == [{"Type": "forward"}]
    config = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    assert redirect_location(config, "/a?b=1", "host:80", "HTTP", 80) == "https://host:443/a?b=1"
    assert matches("200,300-302", 301)
    assert not matches("200-299", 301)
