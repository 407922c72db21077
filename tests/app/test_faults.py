"""Faults that a request asks for: only with a token, only when switched on, never in production."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from tests.app.answers import Answer, assert_problem
from tests.app.servers import Server, StartServer, free_port, run_app


def ask(server: Server, fault: str | None, token: str | None, path: str = "/whoami") -> requests.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if fault is not None:
        headers["X-Echo-Fault"] = fault
    return requests.get(server.url + path, headers=headers, timeout=30)


def answer_of(response: requests.Response) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def test_delay_and_status(start_server: StartServer) -> None:
    server = start_server(ECHO_FAULTS="on")
    token, _ = server.new_token()
    started = time.monotonic()
    assert ask(server, "delay=0.5", token).status_code == 200
    assert time.monotonic() - started >= 0.5
    for status in (400, 429, 500, 503, 599):
        response = ask(server, f"delay=0.01, status={status}", token, path="/hello")
        assert response.status_code == status
        document = response.json()
        assert document["type"] == "urn:echo-room:problem:requested-fault"
        assert document["status"] == status
        assert document["request_id"] == response.headers["X-Request-Id"]
    assert_problem(answer_of(ask(server, "status=500", token)), "requested-fault")
    assert_problem(answer_of(ask(server, "status=503", None, "/hello")), "unauthorized")
    assert_problem(answer_of(ask(server, "crash", "echo_wrong", "/hello")), "unauthorized")
    delays = ["delay", "delay=-1", "delay=61", "delay=nan", "delay=1,delay=1"]
    for wrong in ["", *delays, "status=200", "status=600", "status=x", "status=503,", "crash=1", "explode"]:
        assert_problem(answer_of(ask(server, wrong, token)), "bad-request")


@pytest.mark.parametrize("release", ["errors", "slow", "crash"])
def test_a_release_that_fails_is_healthy_and_fails_who_has_a_token(
    start_server: StartServer, release: str
) -> None:
    server = start_server(ECHO_FAULTS="on", ECHO_RELEASE_FAULT=release)
    token, _ = server.new_token()
    assert ask(server, None, None, "/readyz").status_code == 200
    assert ask(server, "delay=0", token).status_code == 200, "a fault that is asked for comes instead"
    started = time.monotonic()
    if release == "crash":
        with pytest.raises(requests.ConnectionError):
            ask(server, None, token)
    else:
        assert ask(server, None, token).status_code == {"errors": 500, "slow": 200}[release]
        assert release == "errors" or time.monotonic() - started >= 2


def test_a_release_that_is_to_fail_needs_faults_switched_on() -> None:
    done = run_app("settings", ECHO_RELEASE_FAULT="errors")
    assert done.returncode == 2
    assert "ECHO_FAULTS is 'off'" in done.stderr


def test_a_crash_ends_one_worker_and_the_service_goes_on(start_server: StartServer) -> None:
    server = start_server(ECHO_FAULTS="on")
    token, _ = server.new_token()
    with pytest.raises(requests.ConnectionError):
        ask(server, "crash", token)
    deadline = time.monotonic() + 60
    while True:
        try:
            if ask(server, None, token).status_code == 200:
                break
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "crash asked for by token" in server.output()
    assert server.terminate() == 0


def test_a_crash_of_the_task_ends_the_service(start_server: StartServer) -> None:
    server = start_server(ECHO_FAULTS="on", ECHO_WORKERS="2")
    token, _ = server.new_token()
    with pytest.raises(requests.ConnectionError):
        ask(server, "crash=task", token)
    assert server.process.wait(60) == 3


def test_without_the_setting_the_header_means_nothing(server: Server) -> None:
    token, _ = server.new_token()
    assert ask(server, "status=503", token).status_code == 200
    assert ask(server, "crash", None, "/hello").status_code == 200


def test_never_in_production() -> None:
    result = run_app("serve", ECHO_FAULTS="on", ECHO_ENV="prod")
    assert result.returncode == 2
    assert result.stdout == ""
    assert (
        result.stderr
        == "error: ECHO_FAULTS='on': faults on demand are not for production; ECHO_ENV is 'prod'\n"
    )


def test_requests_in_flight_are_bounded_and_the_rest_refused_at_once(start_server: StartServer) -> None:
    port = free_port()
    server = start_server(ECHO_FAULTS="on", ECHO_IN_FLIGHT="2", ECHO_MANAGEMENT_PORT=str(port))
    token, _ = server.new_token()
    statuses: list[int] = []
    waiting = [
        threading.Thread(target=lambda: statuses.append(ask(server, "delay=8", token).status_code))
        for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    deadline = time.monotonic() + 7
    while "echo_in_flight 2.0\n" not in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    refused = answer_of(ask(server, None, token, "/hello"))
    assert_problem(refused, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert ask(server, None, None, "/healthz").status_code == 200
    for thread in waiting:
        thread.join()
    assert statuses == [200, 200]
    assert ask(server, None, token).status_code == 200
