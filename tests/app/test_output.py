"""What is written to a pipe that nobody reads: dropped and counted, and nothing waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from app.telemetry.output import Output
from tests.app.servers import ROOT, free_port


def test_output_that_nobody_reads_is_dropped_and_counted() -> None:
    reading, writing = os.pipe()
    output = Output(writing, limit=100_000)
    results = [output.put(b"x" * 999 + b"\n") for _ in range(1000)]
    assert not all(results)
    dropped = output.take_dropped()
    assert dropped == results.count(False)
    assert output.take_dropped() == 0
    received = b""
    while len(received) < results.count(True) * 1000:
        received += os.read(reading, 65536)
    output.close(5)
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_reader_that_is_gone_is_counted_too() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    output = Output(writing)
    output.put(b"x\n")
    output.close(5)
    assert output.take_dropped() == 1
    os.close(writing)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stuck_pipe_does_not_stall_the_service(tmp_path: Path, stream: str) -> None:
    """Nobody reads the pipe; the service answers on, and ends when it is told to."""
    reading, writing = os.pipe()
    port, management = free_port(), free_port()
    with (tmp_path / "other").open("wb") as other:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=ROOT,
            stdout=writing if stream == "stdout" else other,
            stderr=writing if stream == "stderr" else other,
            env={
                **os.environ, "ECHO_PORT": str(port), "ECHO_WORKERS": "1", "ECHO_GRACE_SECONDS": "0",
                "ECHO_SQLITE_PATH": str(tmp_path / "tokens.sqlite3"), "ECHO_MANAGEMENT_PORT": str(management),
            },
        )  # fmt: skip
    os.close(writing)
    try:
        deadline = time.monotonic() + 60
        session = requests.Session()
        while True:
            try:
                if session.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200:
                    break
            except requests.ConnectionError:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.05)
        path = "x" * 4000
        for _ in range(400):  # far more than a pipe holds
            assert session.get(f"http://127.0.0.1:{port}/{path}", timeout=30).status_code == 404
        assert session.get(f"http://127.0.0.1:{port}/hello", timeout=30).status_code == 200
        process.send_signal(signal.SIGTERM)
        if stream == "stderr":
            os.set_blocking(reading, False)
        assert process.wait(60) == 0
    finally:
        os.close(reading)
        if process.poll() is None:
            process.kill()
            process.wait()
