"""`python -m app probe` against real servers, as a scheduled task and an operator run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.probe.result import METRICS
from tests.app.servers import ROOT, Server, StartServer, clean_environment, run_app
from tests.ports import free_port

SCHEMA = json.loads((ROOT / "tests" / "app" / "emf_schema.json").read_text())


def variables(server: Server, **more: str) -> dict[str, str]:
    """What the probe of that server's service is started with."""
    kept = {name: value for name, value in server.environment.items() if name.startswith(("ECHO_", "AWS_"))}
    return kept | {"ECHO_PROBE_URL": server.url, "ECHO_ENV": "test"} | more


def left(server: Server) -> list[Any]:
    environment = variables(server)
    found: list[Any] = []
    for command in ("account", "token"):
        found += json.loads(run_app(command, "list", "--json", **environment).stdout)
    return found


@pytest.mark.parametrize("tls", ["off", "throwaway"])
def test_a_service_that_does_what_it_should(start_server: StartServer, tls: str) -> None:
    server = start_server(ECHO_TOKEN_CACHE_SECONDS="0.5", ECHO_WORKERS="2", ECHO_TLS=tls)
    trust = {} if tls == "off" else {"SSL_CERT_FILE": str(server.verify)}
    done = run_app("probe", "--refusals", "8", **variables(server, **trust))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    document = json.loads(line)
    import jsonschema  # takes more than a second, of every worker

    jsonschema.validate(document, SCHEMA)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("EchoRoom", [["Environment"]])
    assert {one["Name"]: one["Unit"] for one in directive["Metrics"]} == {
        name: unit for name, (unit, _) in METRICS.items()
    }
    assert document["Environment"] == "test"
    assert (document["ProbeEchoes"], document["ProbeMismatches"], document["ProbeFailures"]) == (72, 0, 0)
    assert len(document["ProbeLatency"]) == 48
    assert document["RevocationOverdue"] == 0
    assert document["RevocationDelay"] > 0
    assert done.stderr.splitlines()[-1] == "passed"
    assert left(server) == []
    assert "echo_" not in done.stdout + done.stderr, "a token must not be shown"


def test_json_and_a_store_in_dynamodb(
    start_server: StartServer, dynamodb_environment: dict[str, str]
) -> None:
    server = start_server(
        ECHO_TOKEN_CACHE_SECONDS="0.2", ECHO_STORE_TIMEOUT_SECONDS="5", **dynamodb_environment
    )
    done = run_app("probe", "--json", "--strings", "2", "--refusals", "4", **variables(server))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["url"], found["passed"], found["echoes"], found["wrong"]) == (server.url, True, 6, [])
    assert found["revocation_delay_seconds"] > 0
    assert left(server) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_clears_up_when_it_is_stopped(server: Server, how: signal.Signals) -> None:
    probe = subprocess.Popen(
        [sys.executable, "-m", "app", "probe", "--strings", "1"],
        env=clean_environment(**variables(server)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert probe.stderr is not None
    while (line := probe.stderr.readline()) != "revoked\n":
        assert line, "it ended before it was stopped"
    probe.send_signal(how)
    out, err = probe.communicate(timeout=60)
    assert (probe.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted; what the probe made is removed"
    assert left(server) == []


def test_a_service_that_is_not_there_fails_and_is_measured(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run_app("probe", "--url", url, ECHO_SQLITE_PATH=str(tmp_path / "db"))
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["ProbeEchoes"] == document["ProbeFailures"] == 6
    assert {"ProbeLatency", "RevocationDelay", "RevocationOverdue"} & set(document) == set()
    assert "5 times: HTTP: no connection" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_use_is_answered_clearly(tmp_path: Path) -> None:
    store = {"ECHO_SQLITE_PATH": str(tmp_path / "db")}
    done = run_app("probe", **store)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ECHO_PROBE_URL is not set")
    for words in (["--url", "echo.example"], ["--url", "http://a/b"], ["--strings", "51"], ["--limit", "0"]):
        done = run_app("probe", *words, **store)
        assert (done.returncode, words[1] in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    done = run_app("probe", ECHO_PROBE_URL="https://echo.example:eighty", **store)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ECHO_PROBE_URL='https://echo.example:eighty': ")


def test_a_store_that_is_away_ends_it_in_one_line() -> None:
    done = run_app(
        "probe", "--url", "http://127.0.0.1:1", ECHO_STORE="dynamodb", ECHO_STORE_TIMEOUT_SECONDS="0.2",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}", AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
