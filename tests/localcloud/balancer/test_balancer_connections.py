"""What becomes of requests when connections are closed, stall or break off; and who gets the next request."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Any

import pytest

from localcloud.balancer.routing import target_group
from localcloud.balancer.sockets import bind
from localcloud.balancer.targets import Group
from tests.localcloud.balancer.balancer_harness import GROUP, balanced, echo_head, run, talk

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str = "GET") -> int:
    """One request on a connection that stays open; the status."""
    length = "Content-Length: 2\r\n" if method == "POST" else ""
    writer.write(f"{method} / HTTP/1.1\r\nHost: a\r\n{length}\r\n{'xy' if length else ''}".encode())
    async with asyncio.timeout(60):
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ") for line in head.split(b"\r\n")[1:-2])
        if method != "HEAD":
            await reader.readexactly(int(fields[b"content-length"]))
    return int(head.split()[1])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_target_that_closes_idle_connections_loses_no_request(method: str) -> None:
    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(0.03):
                    head = await reader.readuntil(b"\r\n\r\n")
            except (TimeoutError, asyncio.IncompleteReadError):
                return
            if b"POST" in head:
                await reader.readexactly(2)
            writer.write(OK)

    async def case() -> None:
        async with balanced(impatient) as (port, group):
            connection = await asyncio.open_connection("127.0.0.1", port)
            for number in range(30):
                assert await ask(*connection, method) == 200
                # A POST cannot be sent twice, so for it not at the very moment of the closing.
                await asyncio.sleep(0.02 + number % 10 * 0.002 if method == "GET" else 0.06)
            # What the target has closed does not stay open on this side until somebody asks.
            (target,) = group.targets.values()
            async with asyncio.timeout(60):
                while len(target.idle):
                    await asyncio.sleep(0.05)
            connection[1].close()

    run(case)


def test_only_what_may_be_sent_twice_is_sent_twice() -> None:
    seen: Counter[bytes] = Counter()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request and closes when it has read another."""
        head = await reader.readuntil(b"\r\n\r\n")
        seen[head.split()[0]] += 1
        writer.write(OK)
        seen[(await reader.readuntil(b"\r\n\r\n")).split()[0]] += 1

    async def case() -> None:
        async with balanced(once) as (port, _):
            connection = await asyncio.open_connection("127.0.0.1", port)
            assert [await ask(*connection), await ask(*connection)] == [200, 200]
            assert seen[b"GET"] == 3
            assert await ask(*connection, "POST") == 502
            assert seen[b"POST"] == 1
            connection[1].close()

    run(case)


def test_what_may_have_ended_a_target_is_not_sent_to_another() -> None:
    seen: list[str] = []

    def dies(name: str) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await reader.readuntil(b"\r\n\r\n")
            seen.append(name)
            # Nobody listens there any more, as after the end of a process.
            (target,) = (t for t in groups[0].targets.values() if t.port == ports[name])
            target.port = 1

        return serve

    groups: list[Group] = []
    ports: dict[str, int] = {}

    async def case() -> None:
        async with balanced(dies("a"), dies("b")) as (port, group):
            groups.append(group)
            ports.update(zip("ab", [target.port for target in group.targets.values()], strict=True))
            connection = await asyncio.open_connection("127.0.0.1", port)
            assert [await ask(*connection), await ask(*connection)] == [200, 200]
            assert await ask(*connection) == 502
            assert len(seen) == 1
            connection[1].close()

    run(case)


def test_head_has_no_body_and_keeps_the_connection() -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(OK.removesuffix(b"ok") if head.startswith(b"HEAD") else OK)

    async def case() -> None:
        async with balanced(target) as (port, _):
            connection = await asyncio.open_connection("127.0.0.1", port)
            statuses = [await ask(*connection, method) for method in ("HEAD", "GET", "HEAD", "GET")]
            assert statuses == [200] * 4
            connection[1].close()
        async with balanced() as (port, _):
            answer = await talk(port, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert answer.endswith(b"\r\n\r\n")

    run(case)


def test_bodies_that_stall_or_are_malformed() -> None:
    async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def case() -> None:
        async with balanced(reads, idle=0.3) as (port, group):
            head = b"POST / HTTP/1.1\r\nHost: a\r\n"
            assert (await talk(port, head + b"Content-Length: 9\r\n\r\nabc")).startswith(b"HTTP/1.1 408 ")
            chunked = head + b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n"
            assert (await talk(port, chunked)).startswith(b"HTTP/1.1 400 ")
            assert [target.in_flight for target in group.targets.values()] == [0]

    run(case)


def test_an_answer_before_the_end_of_a_large_body_arrives() -> None:
    async def case() -> None:
        async with balanced() as (port, _):
            size = 4_000_000
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            async with asyncio.timeout(60):
                await writer.drain()
                assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            writer.close()

    run(case)


def test_a_client_that_does_not_read_is_let_go() -> None:
    async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        size = 50_000_000
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 1_000_000):
            writer.write(bytes(1_000_000))
            await writer.drain()

    async def case() -> None:
        async with balanced(large, idle=0.3) as (port, group):
            with socket.create_connection(("127.0.0.1", port)) as silent:
                silent.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                (target,) = group.targets.values()
                async with asyncio.timeout(60):
                    while not target.in_flight:
                        await asyncio.sleep(0.01)
                    while target.in_flight:
                        await asyncio.sleep(0.01)

    run(case)


def test_small_answers_are_sent_at_once() -> None:
    found: list[int] = []

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        found.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def case() -> None:
        server = await asyncio.start_server(accept, sock=bind("127.0.0.1", 0))
        await talk(server.sockets[0].getsockname()[1], b"")
        server.close()

    run(case)
    assert found == [1]


def test_least_outstanding_requests_spares_the_busy_target() -> None:
    served: Counter[str] = Counter()

    def target(name: str) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                served[name] += 1
                if b"/slow" in head:
                    await asyncio.sleep(1)
                writer.write(OK)

        return serve

    async def case() -> None:
        attribute = {"load_balancing.algorithm.type": "least_outstanding_requests"}
        async with balanced(target("a"), target("b"), **attribute) as (port, _):
            slow = asyncio.create_task(
                talk(port, b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            )
            async with asyncio.timeout(60):
                while not served:
                    await asyncio.sleep(0.01)
            connection = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(6):
                assert await ask(*connection) == 200
            assert sorted(served.values()) == [1, 6]
            assert (await slow).endswith(b"ok")
            connection[1].close()

    run(case)


def test_requests_are_spread_and_a_target_that_refuses_is_passed_over() -> None:
    async def case() -> None:
        async with balanced(echo_head, echo_head) as (port, group):
            gone, _ = group.targets.values()
            gone.checking.cancel()
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                gone.port = unused.getsockname()[1]
                connection = await asyncio.open_connection("127.0.0.1", port)
                assert [await ask(*connection) for _ in range(6)] == [200] * 6
                connection[1].close()

    run(case)


def test_a_weighted_forward_draws_by_weight() -> None:
    def action(*weights: int) -> dict[str, Any]:
        groups = [{"TargetGroupArn": f"tg{n}", "Weight": weight} for n, weight in enumerate(weights)]
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}

    drawn = Counter(target_group(action(1, 0, 9)) for _ in range(2000))
    assert set(drawn) == {"tg0", "tg2"}
    assert 100 < drawn["tg0"] < 320
    assert target_group(action(0, 0)) is None

    async def case() -> None:
        for weights, status in (((1, 0), b"200"), ((0, 0), b"503")):
            async with balanced(echo_head, actions=[action(*weights)]) as (port, _):
                answer = await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert answer.split()[1] == status

    run(case)


def test_an_error_of_the_balancer_itself_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        broken = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "none"}}
        async with balanced(actions=[broken]) as (port, _):
            assert await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""

    run(case)
    assert "a request could not be handled" in caplog.text


def test_an_answer_that_breaks_off_in_a_chunk_does_so_for_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def target(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc")

    async def case() -> None:
        async with balanced(target) as (port, _):
            answer = await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer.endswith(b"3\r\nabc\r\n")

    run(case)
    assert "could not be handled" not in caplog.text


def test_a_check_that_cannot_be_made_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {**GROUP, "Matcher": {"HttpCode": "any"}}

    async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    async def case() -> None:
        server = await asyncio.start_server(healthy, "127.0.0.1", 0)
        group = Group("arn/tg/1", lambda: settings, lambda: None)
        target = group.register("127.0.0.1", server.sockets[0].getsockname()[1])
        async with asyncio.timeout(60):
            while target.reason != "Elb.InternalError":
                await asyncio.sleep(0.01)
            settings["Matcher"] = {"HttpCode": "200"}
            while target.state != "healthy":
                await asyncio.sleep(0.01)
        group.close()
        server.close()

    run(case)
    assert caplog.text.count("health check of") == 1
