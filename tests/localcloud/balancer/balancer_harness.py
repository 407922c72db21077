"""A listener in front of targets of a test's own, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from localcloud.balancer.proxy import Listener
from localcloud.balancer.routing import Settings
from localcloud.balancer.sockets import bind
from localcloud.balancer.targets import Group
from localcloud.balancer.webacl import Guard

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GROUP = {
    "HealthCheckIntervalSeconds": 1, "HealthCheckTimeoutSeconds": 1, "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2, "HealthCheckPath": "/health", "Matcher": {"HttpCode": "200"},
    "deregistration_delay.timeout_seconds": "2",
}  # fmt: skip
FORWARD = [{"Type": "forward", "TargetGroupArn": "tg"}]


@asynccontextmanager
async def balanced(
    *targets: Serve, actions: list[dict[str, Any]] | None = None, idle: float = 2.0,
    context: ssl.SSLContext | None = None, acl: dict[str, Any] | None = None,
    ip_sets: Callable[[str], list[str]] = lambda _: [], **attributes: Any,
) -> AsyncIterator[tuple[int, Group]]:  # fmt: skip
    """A listener in front of `targets` (over TLS with `context`); its port and its group, all healthy."""

    def with_health(serve: Serve) -> Serve:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                line = await reader.readline()
                if b" /health " in line:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                elif line:
                    reader._buffer[:0] = line
                    await serve(reader, writer)
            finally:
                writer.close()

        return handle

    servers = [await asyncio.start_server(with_health(t), "127.0.0.1", 0, ssl=context) for t in targets]
    checked = {"HealthCheckProtocol": attributes.get("Protocol", "HTTP")}
    group = Group("arn/tg/1", lambda: {**GROUP, **checked, **attributes}, lambda: None)
    for server in servers:
        group.register("127.0.0.1", server.sockets[0].getsockname()[1])
    rules = [{"IsDefault": True, "Priority": "default", "Actions": actions or FORWARD}]
    listener = Listener(
        lambda: Settings(80, "HTTP", rules, idle, True, True), lambda _: group, lambda: acl, Guard(ip_sets)
    )
    front = await asyncio.start_server(listener.accept, sock=bind("127.0.0.1", 0), limit=65536)
    try:
        async with asyncio.timeout(60):
            while any(t.state != "healthy" for t in group.targets.values()):
                await asyncio.sleep(0.01)
        yield front.sockets[0].getsockname()[1], group
    finally:
        listener.close()
        group.close()
        for server in [front, *servers]:
            server.close()


async def talk(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


async def echo_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request with its own head and body (Content-Length only)."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        lines = head.split(b"\r\n")
        length = [int(x.split(b":")[1]) for x in lines if x.lower().startswith(b"content-length")]
        body = head + await reader.readexactly(length[0] if length else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def run(case: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(case())
