"""The routes behind Flask, and HTTP's finer points, on a real server; faults with Flask's test client."""

from __future__ import annotations

import json
import socket

import requests

from app.lifecycle import Lifecycle
from app.settings import load
from app.web import create_app
from tests.app.answers import assert_problem, read_answer
from tests.app.servers import Server, StartServer

WELCOME = {"Hello": "Welcome to the Echo Room."}


def test_welcome(server: Server) -> None:
    for path in ("/", "/hello"):
        answer = requests.get(server.url + path, timeout=30)
        assert (answer.status_code, answer.json()) == (200, WELCOME)
        assert answer.text == '{"Hello": "Welcome to the Echo Room."}'
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_health(start_server: StartServer) -> None:
    server = start_server(ECHO_VERSION="1.2.3")
    assert requests.get(f"{server.url}/healthz", timeout=30).json() == {"status": "ok", "version": "1.2.3"}
    assert requests.get(f"{server.url}/readyz", timeout=30).json() == {"status": "ready"}


def test_head_is_get_without_the_body(server: Server) -> None:
    for path in ("/", "/healthz"):
        get, head = requests.get(server.url + path, timeout=30), requests.head(server.url + path, timeout=30)
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.content))


def test_options_says_what_is_allowed(server: Server) -> None:
    assert set(requests.options(f"{server.url}/echo", timeout=30).headers["Allow"].split(", ")) == {
        "OPTIONS",
        "POST",
    }
    allowed = requests.options(f"{server.url}/hello", timeout=30).headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    token, _ = server.new_token()
    bodies = [b'{"str": "%d"}' % number for number in range(20)]
    echoes = [
        b"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (token.encode(), len(body), body)
        for body in bodies
    ]
    requests_sent = b"".join(echoes) + b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(requests_sent + b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(65536):
            received += piece
    answers = received.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert len(answers) == 22
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers[:20]] == bodies
    assert answers[20].endswith(b"\r\n\r\n")
    assert json.loads(answers[21].partition(b"\r\n\r\n")[2]) == WELCOME


def test_expect_100_continue(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        header = b"GET /hello HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(header % 3)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_answer(connection).status == 200
        connection.sendall(header % 2_000_000)
        assert_problem(read_answer(connection), "content-too-large")


def test_a_client_that_shut_down_its_side_gets_its_answer(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection).status == 200
        assert connection.recv(1) == b""


def test_a_client_that_shut_down_its_side_gets_all_its_answers(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 5


def test_the_access_log_has_every_request_and_no_credential(start_server: StartServer) -> None:
    server = start_server()
    token, record = server.new_token()
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert server.echo(token, "said in private").status_code == 200
    assert server.echo(wrong).status_code == 401
    body = json.dumps({"auth": token, "str": "x"}).encode()
    address = f"{server.url}/echo?token={token}"
    headers = {"Content-Type": "application/json", "X-Request-Id": "mine"}
    assert requests.post(address, data=body, headers=headers, timeout=30).status_code == 200
    assert server.terminate() == 0
    output = server.output()
    assert token not in output
    assert wrong not in output
    assert "said in private" not in output
    lines = [json.loads(line) for line in (server.folder / "stdout").read_text().splitlines()]
    echoes = [line for line in lines if line.get("path") == "/echo"]
    assert [line["status"] for line in echoes] == [200, 401, 200]
    assert [line["token"] for line in echoes] == [record.id, "", record.id]
    assert echoes[2]["request_id"] == "mine"
    assert all(line["method"] == "POST" and line["source"] == "127.0.0.1" for line in echoes)


def test_the_access_log_can_be_switched_off(start_server: StartServer) -> None:
    server = start_server(ECHO_ACCESS_LOG="off", ECHO_METRICS_SECONDS="0")
    assert server.terminate() == 0
    assert (server.folder / "stdout").read_text() == ""


def test_a_fault_in_a_view_is_a_problem_and_says_nothing_about_itself() -> None:
    app = create_app(load({}), Lifecycle())

    @app.get("/fault")
    def fault() -> str:
        raise RuntimeError("secret detail")

    answer = app.test_client().get("/fault")
    assert answer.status_code == 500
    document = json.loads(answer.data)
    assert document["type"] == "urn:echo-room:problem:internal-error"
    assert b"secret" not in answer.data
