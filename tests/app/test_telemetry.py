"""The access log, metrics in the log, Prometheus text: the same numbers, and nothing that blocks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from app import tokens
from app.probe.result import METRICS as PROBE_METRICS
from app.problems import Problem
from app.store import StoreUnavailable
from app.telemetry.emf import METRICS, Flusher
from app.telemetry.metrics import BOUNDS, Metrics, measured
from app.telemetry.output import Output
from tests.app.servers import ROOT, Server, StartServer, free_port

SCHEMA = json.loads((Path(__file__).parent / "emf_schema.json").read_text())


def lines_of(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (server.folder / "stdout").read_text().splitlines()]


def check_emf(document: dict[str, Any]) -> None:
    """The published schema, and what the specification says beside it about targets."""
    import jsonschema  # takes more than a second, of every worker

    jsonschema.validate(document, SCHEMA)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert len(directive["Metrics"]) <= 100
        for dimensions in directive["Dimensions"]:
            assert all(isinstance(document[name], str) and document[name] for name in dimensions)
        for metric in directive["Metrics"]:
            value = document[metric["Name"]]
            assert metric["Unit"] == METRICS[metric["Name"]][0]
            if isinstance(value, dict):
                assert set(value) == {"Values", "Counts", "Min", "Max", "Count", "Sum"}
                assert 1 <= len(value["Values"]) == len(value["Counts"]) <= 100
                assert sum(value["Counts"]) == value["Count"]
                assert value["Min"] == min(value["Values"])
                assert value["Max"] == max(value["Values"])
            else:
                assert isinstance(value, int)


def drive(server: Server) -> tuple[str, str]:
    """Four echoes, one refusal, one unknown route, two health checks; the token and its id."""
    token, record = server.new_token()
    for text in ("a", "b", "c", "☃"):
        assert server.echo(token, text).status_code == 200
    assert server.echo(tokens.make()).status_code == 401
    assert requests.get(f"{server.url}/nothing", timeout=30).status_code == 404
    return token, record.id


def test_a_line_has_every_field(start_server: StartServer) -> None:
    server = start_server()
    token, token_id = server.new_token()[0], ""
    trace = "Root=1-67891233-abcdef012345678912345678"
    answer = requests.post(
        f"{server.url}/echo?secret=1",
        json={"str": "x"},
        headers={"Authorization": f"Bearer {token}", "X-Amzn-Trace-Id": trace, "X-Request-Id": "mine"},
        timeout=30,
    )
    assert answer.status_code == 200
    requests.get(f"{server.url}/no/{token}", headers={"X-Amzn-Trace-Id": f'"{token}'}, timeout=30)
    assert server.terminate() == 0
    line, unknown = [
        line for line in lines_of(server) if line["event"] == "request" and line["path"] != "/readyz"
    ]
    token_id = line.pop("token")
    assert re.fullmatch("[0-9a-f]{16}", token_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "event": "request", "request_id": "mine", "trace_id": trace, "method": "POST", "route": "/echo",
        "path": "/echo", "status": 200, "bytes_in": 12, "bytes_out": 12, "source": "127.0.0.1",
    }  # fmt: skip
    assert unknown["route"] == unknown["trace_id"] == ""
    assert unknown["path"] == "/no/[redacted]"
    assert token not in server.output()


def test_successes_are_sampled_and_refusals_are_not(start_server: StartServer) -> None:
    server = start_server(ECHO_LOG_SAMPLE="0")
    drive(server)
    assert server.terminate() == 0
    assert [line["status"] for line in lines_of(server) if line["event"] == "request"] == [401, 404]


def test_metrics_in_the_log_are_valid_and_add_up(start_server: StartServer) -> None:
    server = start_server(ECHO_METRICS_SECONDS="0.2", ECHO_ENV="test")
    drive(server)
    time.sleep(0.5)
    drive(server)
    assert requests.get(f"{server.url}/healthz/echo", timeout=30).status_code == 200
    assert server.terminate() == 0
    documents = [line for line in lines_of(server) if line["event"] == "metrics"]
    for document in documents:
        check_emf(document)
        assert document["Environment"] == "test"
    whole = [document for document in documents if "Kind" not in document]
    assert len(whole) >= 3

    def total(name: str) -> int:
        return sum(document[name] for document in whole)

    requests_logged = [line["path"] for line in lines_of(server) if line["event"] == "request"]
    assert total("Requests") == 12, requests_logged  # health checks do not count
    assert (total("ClientErrors"), total("ServerErrors")) == (4, 0)
    assert total("EchoesCompared") == 2, "the first one, and the synthetic one"
    assert total("EchoesDifferent") == total("StoreFailures") == total("LogDropped") == 0
    assert total("Refusals") == 4
    assert total("Lookups") == 4
    assert sum(document["Latency"]["Count"] for document in whole if "Latency" in document) >= 12
    kinds: dict[str, int] = {}
    for document in documents:
        if "Kind" in document:
            kinds[document["Kind"]] = kinds.get(document["Kind"], 0) + document["Refusals"]
    assert kinds == {"unauthorized": 2, "not-found": 2}


def test_every_metric_is_documented_and_written() -> None:
    document = (ROOT / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| `([A-Za-z]+)` \| ([A-Z][a-z]+) \| (.+) \|$", document, flags=re.MULTILINE)
    assert {name: (unit, meaning) for name, unit, meaning in rows} == METRICS | PROBE_METRICS
    metrics = Metrics(["/echo"])
    flusher = Flusher(metrics, "test")
    metrics.request("/echo", 200, 0.2, 1, 1)
    metrics.measured.append(-0.3)
    written = json.loads(flusher.lines(1)[0])
    check_emf(written)
    assert set(METRICS) <= set(written)
    assert (written["SlowRequests"], written["SlowLookups"], written["StoreFailures"]) == (1, 1, 1)
    assert written["Latency"] == {
        "Values": [200.0],
        "Counts": [1],
        "Min": 200.0,
        "Max": 200.0,
        "Count": 1,
        "Sum": 200.0,
    }
    assert "Latency" not in json.loads(flusher.lines(2)[0]), "nothing came since"


@pytest.mark.parametrize("seconds", [0.0, *BOUNDS, 31.0, 1e6])
def test_a_bucket_holds_what_is_not_above_its_bound(seconds: float) -> None:
    metrics = Metrics(["/echo"])
    metrics.request("/echo", 200, seconds, 0, 0)
    counts = metrics.latency.counts(metrics.numbers)
    assert sum(counts) == 1
    index = counts.index(1)
    assert index == len(BOUNDS) or seconds <= BOUNDS[index]
    assert index == 0 or seconds > BOUNDS[index - 1]
    assert sum(metrics.latency.sums(metrics.numbers)) == seconds


def test_a_failed_look_up_is_counted_as_one() -> None:
    class Broken:
        def find(self, _digest: str) -> None:
            raise StoreUnavailable("gone")

        def other(self) -> str:
            return "the store's own"

    metrics = Metrics(["/echo"])
    store: Any = measured(Broken(), metrics)
    assert store.other() == "the store's own"
    with pytest.raises(StoreUnavailable):
        store.find("x")
    metrics.publish()
    assert metrics.numbers[metrics.store_failures] == 1
    assert sum(metrics.lookups.counts(metrics.numbers)) == 1


def test_a_wrong_echo_is_noticed_and_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    from app.echo import compare

    metrics = Metrics(["/echo"])
    compare(b'{"str": "right"}', "right", metrics)
    utf_16 = '{"str": "private text"}'.encode("utf-16")  # JSON, but not as this service says it is written
    for number, wrong in enumerate((b'{"str": "wrong"}', b'{"str": "private text"', b"", b"\xff", utf_16), 1):
        with pytest.raises(Problem) as refused:
            compare(wrong, "private text", metrics)
        assert refused.value.status == 500
        assert (metrics.numbers[metrics.compared], metrics.numbers[metrics.different]) == (number + 1, number)
    assert "private text" not in caplog.text


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
