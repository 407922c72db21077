"""The load's own process, where Locust is installed."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.servers import Server, StartServer, start, stop

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-load" / "bin" / "python"


@pytest.fixture(scope="session")
def locust() -> Path:
    """The Python that has Locust."""
    if not PYTHON.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("there is no .venv-load, and CI=true demands one: make .venv-load/.installed")
        pytest.skip("there is no .venv-load: make .venv-load/.installed")
    return PYTHON


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """A function that starts servers with the given settings; they end with the test."""
    servers: list[Server] = []

    def starter(**environment: str) -> Server:
        servers.append(start(tmp_path / f"server{len(servers)}", ECHO_DRAIN_SECONDS="1", **environment))
        return servers[-1]

    yield starter
    for server in servers:
        stop(server)


Driver = subprocess.Popen[str]
StartDriver = Callable[..., Driver]


@pytest.fixture
def start_driver(locust: Path, tmp_path: Path) -> Iterator[StartDriver]:
    """A function that starts the driver on a URL: steady, for three seconds, and nothing is too slow."""
    started: list[Driver] = []

    def start(url: str, token: str, **changes: Any) -> Driver:
        config = {
            "environment": "test", "profile": "steady", "rate": 20, "seconds": 3, "fault": "",
            "fault_share": 0, "report": str(tmp_path / "report.html"),
            "availability_percent": 99.9, "slow_ms": 60_000, "url": url, "host": "127.0.0.1",
            "at": "", "ca": None, "token": token,
        } | changes  # fmt: skip
        driver = subprocess.Popen(
            [locust, "-m", "bench.load.driver"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(driver)
        assert driver.stdin is not None
        driver.stdin.write(json.dumps(config) + "\n")
        driver.stdin.flush()
        return driver

    yield start
    for driver in started:
        driver.kill()
        driver.wait()
        for pipe in (driver.stdin, driver.stdout, driver.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def wrong_echo() -> Iterator[str]:
    """The URL of a server that answers every POST with one string, and nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "12")
            self.end_headers()
            self.wfile.write(b'{"str": "x"}')

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
