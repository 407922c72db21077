"""Prometheus text on the management port: all workers together."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.app.servers import ROOT, StartServer, free_port


def scrape(port: int) -> dict[tuple[str, ...], float]:
    """All samples: name and label values to number."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_prometheus_text_adds_up_all_workers_and_survives_their_end(start_server: StartServer) -> None:
    port = free_port()
    server = start_server(ECHO_WORKERS="2", ECHO_MANAGEMENT_PORT=str(port), ECHO_FAULTS="on")
    token, _ = server.new_token()
    for _ in range(40):  # new connections, so that both workers get some
        assert server.echo(token).status_code == 200

    def echoes() -> float:
        return scrape(port).get(("echo_requests_total", "/echo", "2xx"), 0)

    deadline = time.monotonic() + 60
    while echoes() != 40:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    samples = scrape(port)
    assert samples["echo_request_seconds_count",] >= 40
    assert samples["echo_request_seconds_bucket", "+Inf"] == samples["echo_request_seconds_count",]
    assert samples["echo_compared_total",] >= 2
    assert samples["echo_lookup_seconds_count",] >= 1
    time.sleep(1.2)  # both have published
    with pytest.raises(requests.ConnectionError):
        requests.get(
            f"{server.url}/hello",
            headers={"Authorization": f"Bearer {token}", "X-Echo-Fault": "crash"},
            timeout=30,
        )
    deadline = time.monotonic() + 60
    for _ in range(10):
        while True:
            try:
                assert server.echo(token).status_code == 200
                break
            except requests.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    deadline = time.monotonic() + 60
    while echoes() != 50:
        assert time.monotonic() < deadline, f"{echoes()} echoes are counted"
        time.sleep(0.1)
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 404
    assert requests.post(f"http://127.0.0.1:{port}/metrics", timeout=30).status_code == 405
    assert requests.get(f"{server.url}/metrics", timeout=30).status_code == 404, "not on the public port"
    assert server.terminate() == 0


def test_a_management_port_in_use_is_one_line() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "app", "serve"],
            cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
            env={**os.environ, "ECHO_PORT": str(free_port()), "ECHO_MANAGEMENT_PORT": str(port)},
        )  # fmt: skip
    assert result.returncode == 1
    assert (
        result.stderr
        == f"error: port {port} of 127.0.0.1 is in use; stop what uses it or set ECHO_MANAGEMENT_PORT\n"
    )
