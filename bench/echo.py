"""How fast `POST /echo` is, next to the same server's `GET /hello` (Flask).

    python -m bench.echo [--seconds 3] [--connections 32] [--rounds 3] [--tls]

One server process, one load process (raw sockets on asyncio, keep-alive, one request in flight on each),
interleaved rounds; the table shows the median round. Every answer is compared with the expected one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Round:
    """One measured round: requests per second, and latencies in seconds, sorted."""

    rate: float
    latencies: list[float]

    def percentile(self, percent: float) -> float:
        """Latency in milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))] * 1000


class Client(asyncio.Protocol):
    """One keep-alive connection that sends `request` again as soon as the answer is complete."""

    def __init__(self, request: bytes, expected_body: bytes, until: float, latencies: list[float]) -> None:
        self.request = request
        self.expected = expected_body
        self.until = until
        self.latencies = latencies
        self.buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self.send()

    def send(self) -> None:
        """Send one request."""
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Check the answer once it is whole, and go on."""
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < len(self.expected):
            return
        if not head.startswith(b"HTTP/1.1 200 ") or body != self.expected:
            self.done.set_exception(RuntimeError(f"unexpected answer: {self.buffer[:500]!r}"))
            self.transport.close()
            return
        self.buffer = b""
        now = time.perf_counter()
        self.latencies.append(now - self.sent)
        if now < self.until:
            self.send()
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server must not close."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def load(
    port: int,
    request: bytes,
    expected: bytes,
    connections: int,
    seconds: float,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Round:
    """Drive `connections` connections for `seconds`."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    clients = [Client(request, expected, started + seconds, latencies) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, host, port, ssl=tls)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), seconds + 30)
    elapsed = time.perf_counter() - started
    return Round(len(latencies) / elapsed, sorted(latencies))


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when the server accepts connections."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start; run `python -m app serve` to see why")


def print_table(first: str, rounds: Mapping[str, list[Round]]) -> None:
    """Print the median round of each row; `first` is the first column's heading."""
    width = max(len(name) for name in [first, *rounds]) + 2
    print(f"{first:{width}} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for name, results in rounds.items():
        rate = statistics.median(result.rate for result in results)
        p50 = statistics.median(result.percentile(50) for result in results)
        p99 = statistics.median(result.percentile(99) for result in results)
        print(f"{name:{width}} {rate:10,.0f} {p50:8.2f} {p99:8.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.echo", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="per round and route (default 3)")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tls", action="store_true", help="with the service's own TLS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ECHO_")}
        environment |= {
            "ECHO_PORT": str(port),
            "ECHO_WORKERS": "1",
            "ECHO_SQLITE_PATH": f"{folder}/tokens.sqlite3",
            "ECHO_GRACE_SECONDS": "0",
            "ECHO_TLS": "throwaway" if options.tls else "off",
            # Counted like always, but never reached: one client here sends more than one ever should.
            **{
                f"ECHO_{kind}_{what}": "1000000" for kind in ("TOKEN", "SOURCE") for what in ("RATE", "BURST")
            },
        }
        app = [sys.executable, "-m", "app"]
        made = subprocess.run(
            [*app, "token", "create", "--name", "bench", "--json"],
            env=environment, cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        token = json.loads(made.stdout)["token"]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen([*app, "serve"], env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_until_ready(port, server)
            measure(port, token, options)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def echo_request(token: str) -> tuple[bytes, bytes]:
    """One `POST /echo` as sent, and the body that must come back."""
    body = b'{"str": "Hello, Echo Room!"}'
    return (
        b"POST /echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (token.encode(), len(body), body),
        body,
    )


def measure(port: int, token: str, options: argparse.Namespace) -> None:
    """Run the rounds, interleaved, and print the median of each route."""
    routes = {
        "POST /echo (ASGI)": echo_request(token),
        "GET /hello (Flask)": (
            b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b'{"Hello": "Welcome to the Echo Room."}',
        ),
    }
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # like a balancer, it verifies nothing
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    rounds: dict[str, list[Round]] = {name: [] for name in routes}
    for number in range(options.rounds + 1):
        for name, (request, expected) in routes.items():
            seconds = options.seconds if number else min(1.0, options.seconds)  # the first round warms up
            measured = uvloop.run(load(port, request, expected, options.connections, seconds, tls=tls))
            if number:
                rounds[name].append(measured)
    print(
        f"{options.connections} connections{' over TLS' if options.tls else ''}, 1 worker, "
        f"median of {options.rounds} rounds of {options.seconds:g} s"
    )
    print_table("route", rounds)


if __name__ == "__main__":
    main()
