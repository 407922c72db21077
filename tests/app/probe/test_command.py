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
    echoes, refusals, revocation = documents = [json.loads(line) for line in done.stdout.splitlines()]
    import jsonschema  # takes more than a second, of every worker

    told: list[str] = []
    for document in documents:
        jsonschema.validate(document, SCHEMA)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("EchoRoom", [["Environment"]])
        assert document["Environment"] == "test"
        for one in directive["Metrics"]:
            assert one["Unit"] == METRICS[one["Name"]][0]
            told.append(one["Name"])
    # Each once, so that nothing is counted twice; failures are those of each part.
    assert sorted(told) == sorted([*METRICS, "ProbeFailures"])
    assert (echoes["ProbeEchoes"], echoes["ProbeMismatches"], echoes["ProbeFailures"]) == (72, 0, 0)
    assert len(echoes["ProbeLatency"]) == 48
    found = [refusals[name] for name in ("ProbeRefusals", "ProbeRefusalsMissed", "ProbeFailures")]
    assert found == [2, 0, 0]
    assert revocation["RevocationOverdue"] == 0
    assert revocation["RevocationDelay"] > 0
    assert done.stderr.splitlines()[-1] == "passed"
    assert left(server) == []
    assert "echo_" not in done.stdout + done.stderr, "a token must not be shown"


def test_json_and_a_store_in_dynamodb(
    start_server: StartServer, dynamodb_environment: dict[str, str]
) -> None:
    server = start_server(
        ECHO_TOKEN_CACHE_SECONDS="0.2", ECHO_STORE_TIMEOUT_SECONDS="5", **dynamodb_environment
    )
    words = ("--json", "--strings", "2", "--refusals", "4", "--scripts-stopped")
    done = run_app("probe", *words, **variables(server))
    assert done.returncode == 1, "nothing here stops scripts"
    found = json.loads(done.stdout)
    assert (found["url"], found["passed"], found["echoes"]) == (server.url, False, 6)
    assert (found["refusals"], found["refusals_missed"], found["refusals_unclear"]) == (5, 3, 0)
    assert len(found["wrong"]) == 3
    assert all("let through: 200" in line for line in found["wrong"])
    assert found["revocation_delay_seconds"] > 0
    assert left(server) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_says_at_once_what_it_knows_and_clears_up_when_it_is_stopped(
    server: Server, how: signal.Signals
) -> None:
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
    # The server knows the token for a minute, and the probe waits for that.
    assert probe.stdout is not None
    assert "ProbeMismatches" in json.loads(probe.stdout.readline())
    assert "ProbeRefusals" in json.loads(probe.stdout.readline())
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
