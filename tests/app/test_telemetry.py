"""The access log, and metrics in it: valid, complete, and adding up."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from app import tokens
from app.probe.result import METRICS as PROBE_METRICS
from app.problems import Problem
from app.store import StoreUnavailable
from app.telemetry.emf import METRICS, Flusher
from app.telemetry.metrics import BOUNDS, Metrics, measured
from tests.app.servers import ROOT, Server, StartServer

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
