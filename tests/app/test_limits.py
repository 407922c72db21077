"""Rate limits, requests in flight, and whose request it is."""

from __future__ import annotations

import socket

import pytest

from app.http import Request
from app.limits import Buckets
from app.problems import Problem
from app.sources import NOBODY, Source, Sources, parse
from tests.app.answers import Answer, assert_problem, read_answer
from tests.app.servers import Server, StartServer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets("token", rate=10, burst=5, size=10, clock=clock)
    assert [buckets.take("a")[0] for _ in range(7)] == [4, 3, 2, 1, 0, -1, -1]
    assert buckets.take("b")[0] == 4, "each key has its own"
    clock.now += 0.1
    assert [buckets.take("a")[0] for _ in range(2)] == [0, -1]
    clock.now += 1000
    assert [buckets.take("a")[0] for _ in range(6)] == [4, 3, 2, 1, 0, -1], "never more than the burst"


@pytest.mark.parametrize("rate", [0.1, 1 / 3, 3, 7, 999, 1_000_000])
def test_a_bucket_neither_loses_nor_invents_requests(rate: float) -> None:
    clock = Clock()
    buckets = Buckets("token", rate=rate, burst=100, size=10, clock=clock)
    assert [buckets.take("a")[0] for _ in range(101)] == [*range(99, -1, -1), -1]


def test_memory_is_bounded_and_the_one_unseen_for_longest_goes() -> None:
    buckets = Buckets("source", rate=0.001, burst=1, size=3, clock=Clock())
    for key in "abc":
        assert buckets.take(key)[0] == 0
    assert buckets.take("a")[0] == -1
    assert buckets.take("d")[0] == 0, "b made room"
    assert buckets.take("a")[0] == -1
    assert buckets.take("b")[0] == 0
    assert len(buckets._full_at) == 3


def test_a_rate_of_zero_is_no_limit() -> None:
    buckets = Buckets("token", rate=0, burst=1, size=1)
    request = Request({"method": "GET"}, {}, "", NOBODY)
    for _ in range(100):
        buckets.charge(request, "a")
    assert request.limit is None


def fields(request: Request) -> bytes:
    assert request.limit is not None
    buckets, left, wait = request.limit
    name, value = buckets.fields(left, wait)
    assert name == b"ratelimit"
    return value


def test_the_fields_say_quota_remainder_and_when() -> None:
    clock = Clock()
    buckets = Buckets("token", rate=0.5, burst=2, size=10, clock=clock)
    request = Request({"method": "GET"}, {}, "", NOBODY)
    buckets.charge(request, "a")
    assert fields(request) == b'"token";r=1;t=2\r\nratelimit-policy: "token";q=2;w=4'
    buckets.charge(request, "a")
    with pytest.raises(Problem) as refused:
        buckets.charge(request, "a")
    assert refused.value.headers == (("Retry-After", "2"),)
    assert fields(request).startswith(b'"token";r=0;t=2\r\n')
    clock.now += 2
    buckets.charge(request, "a")


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, [b"203.0.113.9"], "127.0.0.1"),
        (1, [], "127.0.0.1"),
        (1, [b"203.0.113.9"], "203.0.113.9"),
        (1, [b"10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        (1, [b"10.9.9.9", b"203.0.113.9"], "203.0.113.9"),
        (1, [b"203.0.113.9:4711"], "203.0.113.9"),
        (1, [b"[2001:db8::1]:443"], "2001:db8::1"),
        (1, [b"unknown"], "127.0.0.1"),
        (1, [b"203.0.113.9,"], "127.0.0.1"),
        (1, [b"x" * 5000], "127.0.0.1"),
        (2, [b"203.0.113.9"], "127.0.0.1"),
        (2, [b"10.9.9.9, 203.0.113.9, 198.51.100.1"], "203.0.113.9"),
        (1, [b"::ffff:203.0.113.9"], "203.0.113.9"),
    ],
)
def test_the_source_is_what_the_outermost_trusted_proxy_saw(
    hops: int, forwarded: list[bytes], expected: str
) -> None:
    headers = [(b"x-forwarded-for", value) for value in forwarded]
    scope = {"client": ("127.0.0.1", 5), "headers": headers}
    assert Sources(hops).of(scope).address == expected


def test_an_ipv6_source_is_counted_by_its_network() -> None:
    sources = Sources(0)
    one = sources.of({"client": ("2001:db8:1:2:3::4", 1)})
    assert one == Source("2001:db8:1:2:3::4", "2001:db8:1:2::/64")
    assert sources.of({"client": ("2001:db8:1:2:ffff::", 1)}).network == one.network
    assert sources.of({"client": ("2001:db8:1:3::", 1)}).network != one.network
    assert sources.of({"client": None}) == NOBODY
    assert parse("1.2.3") is None


def test_what_is_known_of_sources_is_bounded() -> None:
    sources = Sources(1)
    for number in range(10_000):
        address = f"2001:db8::{number:x}".encode()
        sources.of({"client": None, "headers": [(b"x-forwarded-for", address)]})
    assert len(sources._known) <= 4096


def ask(server: Server, method: str = "GET", path: str = "/hello", *lines: str) -> Answer:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Content-Length: 0", *lines])
        connection.sendall(head.encode() + b"\r\n\r\n")
        return read_answer(connection)


def test_each_source_is_limited_behind_a_trusted_proxy(start_server: StartServer) -> None:
    server = start_server(ECHO_TRUSTED_HOPS="1", ECHO_SOURCE_RATE="0.001", ECHO_SOURCE_BURST="3")
    left = [ask(server, "GET", "/hello", "X-Forwarded-For: 10.0.0.1, 203.0.113.7") for _ in range(3)]
    assert [answer.headers["ratelimit"] for answer in left] == [
        f'"source";r={n};t={3000 - n * 1000}' for n in (2, 1, 0)
    ]
    assert left[0].headers["ratelimit-policy"] == '"source";q=3;w=3000'
    # What the client itself says in front of the proxy's entry changes nothing.
    refused = ask(server, "POST", "/echo", "X-Forwarded-For: 10.0.0.2, 203.0.113.7")
    assert_problem(refused, "too-many-requests")
    assert 990 <= int(refused.headers["retry-after"]) <= 1000
    assert refused.headers["ratelimit"].startswith('"source";r=0;t=')
    assert ask(server, "GET", "/hello", "X-Forwarded-For: 203.0.113.8").status == 200
    assert ask(server, "GET", "/healthz", "X-Forwarded-For: 203.0.113.7").status == 200
    assert_problem(ask(server, "GET", "/healthz/echo", "X-Forwarded-For: 203.0.113.7"), "too-many-requests")


def test_each_token_is_limited(start_server: StartServer) -> None:
    server = start_server(ECHO_TOKEN_RATE="0.001", ECHO_TOKEN_BURST="2")
    one, _ = server.new_token()
    other, _ = server.new_token()
    assert [server.echo(one).status_code for _ in range(3)] == [200, 200, 429]
    refused = server.echo(one)
    assert refused.headers["RateLimit-Policy"] == '"token";q=2;w=2000'
    assert int(refused.headers["Retry-After"]) > 900
    assert server.echo(other).headers["RateLimit"] == '"token";r=1;t=1000'


@pytest.mark.parametrize("path", ["/accounts", "/sessions", "/%73essions", "http://x/sessions"])
def test_credentials_routes_are_limited_more_strictly(start_server: StartServer, path: str) -> None:
    server = start_server(ECHO_CREDENTIAL_RATE="0.001", ECHO_CREDENTIAL_BURST="2")
    assert [ask(server, "POST", path).status for _ in range(3)][2] == 429
    assert_problem(ask(server, "POST", path), "too-many-requests")
    assert ask(server, "GET", "/hello").status == 200
