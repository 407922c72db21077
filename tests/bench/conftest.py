"""The load's own process, where Locust is installed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.probe.services import service
from tests.app.servers import StartServer, starting

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
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """A function that starts servers with the given settings; they end with the test."""
    with starting(lambda: tmp_path_factory.mktemp("server"), ECHO_DRAIN_SECONDS="1") as starter:
        yield starter


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
    with service(lambda _: (200, "application/json", b'{"str": "x"}')) as url:
        yield url
