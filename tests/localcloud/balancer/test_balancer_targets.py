"""When a target gets requests: thresholds of its checks, the end of its draining, its idle connections."""

from __future__ import annotations

import asyncio

from localcloud.balancer.targets import Group
from tests.localcloud.balancer.balancer_harness import GROUP, balanced, run, talk

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def test_thresholds_decide_when_a_target_is_out_and_in_again() -> None:
    # One good check brings a new target in; then two bad ones take it out, and three good ones bring it back.
    statuses = [200, 500, 200, 500, 500, 200, 200, 500, 200, 200, 200]
    expected = ["healthy"] * 4 + ["unhealthy"] * 6 + ["healthy"]
    settings = {**GROUP, "HealthCheckIntervalSeconds": 0.02, "HealthyThresholdCount": 3}
    seen: list[str] = []

    async def case() -> None:
        left = iter(statuses)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            # What the checks before this one have made of it.
            seen.append(target.state)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % next(left, 200))
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        group = Group("arn/tg/1", lambda: settings, lambda: None)
        target = group.register("127.0.0.1", server.sockets[0].getsockname()[1])
        async with asyncio.timeout(30):
            while len(seen) <= len(statuses):
                await asyncio.sleep(0.01)
        group.close()
        server.close()

    run(case)
    assert seen[: len(statuses) + 1] == ["initial", *expected]


def test_when_the_deregistration_delay_is_over_the_target_is_gone_whatever_it_still_does() -> None:
    async def case() -> None:
        asked, end = asyncio.Event(), asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await end.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

        delay = {"deregistration_delay.timeout_seconds": "0"}
        async with balanced(slow, idle=30, **delay) as (port, group):
            asking = asyncio.create_task(talk(port, ASK))
            async with asyncio.timeout(60):
                await asked.wait()
                group.deregister(*next(iter(group.targets)))
                while group.targets:
                    await asyncio.sleep(0.01)
                # New requests have nowhere to go; the one in flight is not cut off by the balancer.
                assert (await talk(port, ASK)).startswith(b"HTTP/1.1 503 ")
                end.set()
                assert (await asking).endswith(b"done")

    run(case)


def test_connections_to_a_target_are_kept_for_the_idle_timeout() -> None:
    async def connections(idle: float, pause: float) -> int:
        opened = 0

        async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal opened
            opened += 1
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        async with balanced(counting, idle=idle) as (port, _):
            for _ in range(3):
                assert (await talk(port, ASK)).startswith(b"HTTP/1.1 200 ")
                await asyncio.sleep(pause)
        return opened

    async def case() -> None:
        assert await connections(idle=60, pause=0) == 1
        assert await connections(idle=0.5, pause=0.6) == 3

    run(case)
