"""The load itself against real servers: true counts, broken objectives, an end before the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.app.servers import Server, StartServer
from tests.bench.conftest import Driver, StartDriver
from tests.ports import free_port


def result_of(driver: Driver) -> dict[str, Any]:
    assert driver.stdout is not None
    for line in driver.stdout:
        event = json.loads(line)
        if "result" in event:
            assert driver.wait(60) == 0
            found: dict[str, Any] = event["result"]
            return found
    raise AssertionError(f"no result: {driver.communicate()[1]}")


def broken(result: dict[str, Any]) -> set[str]:
    assert result["passed"] is all(one["kept"] for one in result["objectives"])
    return {one["name"] for one in result["objectives"] if not one["kept"]}


def served(server: Server) -> list[dict[str, Any]]:
    """The server's own log of requests, without the health checks."""
    server.terminate()
    lines = [json.loads(line) for line in (server.folder / "stdout").read_text().splitlines()]
    return [
        one for one in lines if one.get("event") == "request" and one["route"] not in ("/readyz", "/ws")
    ] + [one for one in lines if one.get("event") == "websocket"]


@pytest.mark.parametrize("tls", ["off", "throwaway"])
def test_a_steady_load_counts_what_the_server_answered(
    start_server: StartServer, start_driver: StartDriver, tmp_path: Path, tls: str
) -> None:
    server = start_server(ECHO_TLS=tls)
    token, _ = server.new_token()
    ca = None if tls == "off" else server.verify
    result = result_of(start_driver(server.url, token, ca=ca))
    assert broken(result) == set(), result["reasons"]
    assert (result["failed"], result["different"], result["interrupted"]) == (0, 0, False)
    assert 0 < result["requests"] <= result["planned"] == 60
    assert result["requests"] == sum(one["requests"] for one in result["by_request"])

    log = served(server)
    by_status: dict[int, int] = {}
    for line in log:
        if line["event"] == "request":
            by_status[line["status"]] = by_status.get(line["status"], 0) + 1
    messages = sum(line["messages"] for line in log if line["event"] == "websocket")
    asked = {one["request"]: one["requests"] for one in result["by_request"]}
    refused = {
        401: asked.pop("POST /echo, no token: 401", 0), 413: asked.pop("POST /echo, over 1 MiB: 413", 0)
    }  # fmt: skip
    assert messages == asked.pop("WS /ws, message", 0)
    assert by_status == {status: n for status, n in {200: sum(asked.values()), **refused}.items() if n}

    page = (tmp_path / "report.html").read_text()
    assert "availability" in page
    assert f"{result['requests']} of 60 requests" in page
    assert token not in page
    assert not re.search(r'(src|href)="[a-z./]', page), "it must not need anything else"


@pytest.mark.parametrize(
    ("fault", "slow_ms", "objective", "reason"),
    [("status=503", 60_000, "availability", "answered 503"), ("delay=1.5", 1_000, "latency", "")],
)
def test_a_fault_breaks_its_objective(
    start_server: StartServer,
    start_driver: StartDriver,
    tmp_path: Path,
    fault: str,
    slow_ms: int,
    objective: str,
    reason: str,
) -> None:
    server = start_server(ECHO_FAULTS="on")
    token, _ = server.new_token()
    result = result_of(start_driver(server.url, token, fault=fault, fault_share=0.5, slow_ms=slow_ms))
    assert objective in broken(result)
    assert "correctness" not in broken(result)
    if reason:
        assert any(reason in one for one in result["reasons"])
        assert result["failed"] == sum(one["failures"] for one in result["by_request"])
    else:
        assert result["failed"] == 0
    page = (tmp_path / "report.html").read_text()
    assert f"<td>{objective}</td>" in page
    assert fault in page


def test_a_service_that_answers_something_else_is_not_correct(
    start_driver: StartDriver, wrong_echo: str
) -> None:
    result = result_of(start_driver(wrong_echo, "token"))
    assert {"correctness", "availability"} <= broken(result), "it has no /hello and refuses nobody"
    assert any("another string came back" in one for one in result["reasons"])
    assert any("GET /hello: answered 404" in one for one in result["reasons"])


def test_nobody_there_breaks_the_availability(start_driver: StartDriver) -> None:
    result = result_of(start_driver(f"http://127.0.0.1:{free_port()}", "token", seconds=1))
    assert "availability" in broken(result)
    assert result["failed"] == result["requests"] > 0


def test_a_certificate_of_somebody_else_is_refused(
    start_server: StartServer, start_driver: StartDriver
) -> None:
    server, other = start_server(ECHO_TLS="throwaway"), start_server(ECHO_TLS="throwaway")
    result = result_of(start_driver(server.url, "token", ca=other.verify, seconds=1))
    assert result["failed"] == result["requests"] > 0
    assert served(server) == []


def test_a_name_that_is_in_no_dns_is_reached(start_server: StartServer, start_driver: StartDriver) -> None:
    server = start_server()
    token, _ = server.new_token()
    url = f"http://echo.example.test:{server.port}"
    result = result_of(start_driver(url, token, host="echo.example.test", at="127.0.0.1", seconds=2, rate=30))
    assert broken(result) == set(), result["reasons"]


def test_websockets_that_are_closed_for_being_idle_are_opened_again(
    start_server: StartServer, start_driver: StartDriver
) -> None:
    server = start_server(ECHO_WS_IDLE_SECONDS="0.1")
    token, _ = server.new_token()
    result = result_of(start_driver(server.url, token, rate=60))
    assert broken(result) == set(), result["reasons"]
    endings = [one for one in served(server) if one["event"] == "websocket"]
    assert {one["code"] for one in endings} & {1000}, "otherwise this tested nothing"


def test_it_ends_with_a_report_when_it_is_told_to(
    start_server: StartServer, start_driver: StartDriver, tmp_path: Path
) -> None:
    server = start_server()
    token, _ = server.new_token()
    driver = start_driver(server.url, token, seconds=600, profile="soak")
    assert driver.stdout is not None
    assert driver.stdin is not None
    while json.loads(driver.stdout.readline())["requests"] == 0:
        pass
    driver.stdin.close()
    result = result_of(driver)
    assert result["interrupted"]
    assert 0 < result["requests"] < result["planned"] == 12_000
    assert "interrupted" in (tmp_path / "report.html").read_text()
