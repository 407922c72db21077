"""Clients that are slow, broken or many do not disturb the others; and no credential is ever printed."""
# ruff: noqa: E501 - requests are read by the line

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import threading
import time

import pytest
import requests
from websockets.sync.client import connect

from app import tokens
from tests.app.answers import assert_problem, read_answer
from tests.app.servers import Server, StartServer, free_port


class Trickle(threading.Thread):
    """Many connections, each sent one byte every so often, for as long as the server lets it."""

    def __init__(self, server: Server, count: int, head: bytes, drip: bytes) -> None:
        super().__init__()
        self.connections = [
            socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(count)
        ]
        self.drip = drip
        self.stop = threading.Event()
        for connection in self.connections:
            connection.sendall(head)

    def run(self) -> None:
        while not self.stop.wait(0.1):
            for connection in self.connections:
                with contextlib.suppress(
                    OSError
                ):  # the server has had enough of it: it answered 408 and closed
                    connection.sendall(self.drip)

    def finish(self) -> list[int]:
        """The statuses that they were answered with."""
        self.stop.set()
        self.join()
        statuses = []
        for connection in self.connections:
            statuses.append(read_answer(connection).status)
            connection.close()
        return statuses


@pytest.mark.parametrize("part", ["headers", "bodies"])
def test_a_hundred_trickling_connections_cost_nobody_else_anything(
    start_server: StartServer, part: str
) -> None:
    server = start_server(ECHO_HEADER_SECONDS="2", ECHO_BODY_SECONDS="2")
    token, _ = server.new_token()
    head = b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: "
    if part == "bodies":
        head = (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n" % token.encode()
        )
    trickle = Trickle(server, 100, head, b"x")
    trickle.start()
    failures = []
    session = requests.Session()
    until = time.monotonic() + 1.5
    answered = 0
    while time.monotonic() < until:
        for path in ("/hello", "/healthz"):
            if session.get(server.url + path, timeout=30).status_code != 200:
                failures.append(path)
        if server.echo(token).status_code != 200:
            failures.append("/echo")
        answered += 3
    assert failures == []
    assert answered > 3, "not even a second round, while all of them trickle"
    time.sleep(1)
    assert trickle.finish() == [408] * 100


def test_a_body_that_breaks_off_is_one_answer_and_one_line(start_server: StartServer) -> None:
    server = start_server()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        )
        time.sleep(0.2)
        connection.sendall(b"zz\r\n")
        answer = read_answer(connection)
        assert_problem(answer, "bad-request")
        assert answer.headers["x-request-id"] == "mine"
        assert connection.recv(1) == b""
    assert server.terminate() == 0
    lines = [json.loads(line) for line in (server.folder / "stdout").read_text().splitlines()]
    assert [line["status"] for line in lines if line.get("request_id") == "mine"] == [400]
    assert not [line for line in lines if line.get("status") == 408]


ECHO = b"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"


def test_sigterm_loses_no_request_of_any_kind(start_server: StartServer) -> None:
    """What was accepted before SIGTERM is answered, for each kind of route, also what is still being sent."""
    server = start_server(ECHO_GRACE_SECONDS="0.5", ECHO_DRAIN_SECONDS="8", ECHO_FAULTS="on")
    token, _ = server.new_token()
    good = {"Authorization": f"Bearer {token}"}
    answers: dict[str, int] = {}

    def ask(name: str, method: str, path: str) -> None:
        headers = good | {"X-Echo-Fault": "delay=1.5"}
        answers[name] = requests.request(method, server.url + path, headers=headers, timeout=20).status_code

    kinds = [("flask", "GET", "/hello"), ("anything", "PUT", "/anything"), ("whoami", "GET", "/whoami")]
    threads = [threading.Thread(target=ask, args=kind) for kind in kinds]
    for thread in threads:
        thread.start()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as upload,
        connect(f"ws://127.0.0.1:{server.port}/ws", additional_headers=good) as client,
    ):
        upload.sendall(ECHO % token.encode() + b'{"str"')
        client.send("before")
        assert client.recv() == "before"
        time.sleep(0.3)  # all are in flight
        server.process.send_signal(signal.SIGTERM)
        for byte in b': "x"}':
            time.sleep(0.2)  # well into the drain
            upload.sendall(bytes([byte]))
        answer = read_answer(upload)
        assert (answer.status, answer.body) == (200, b'{"str": "x"}')
        assert answer.headers["connection"] == "close"
        with pytest.raises(Exception, match="1001"):
            client.recv(timeout=30)
    for thread in threads:
        thread.join()
    assert answers == {name: 200 for name, _, _ in kinds}
    assert server.process.wait(60) == 0


def test_no_credential_is_ever_printed(start_server: StartServer) -> None:
    """Credentials in every place a client can put them, right and wrong: none is in the output or in an answer."""
    management = free_port()
    server = start_server(ECHO_FAULTS="on", ECHO_METRICS_SECONDS="0.3", ECHO_MANAGEMENT_PORT=str(management))
    good, _ = server.new_token()
    unknown = tokens.make()
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    basic = base64.b64encode(b"someone:hunter2-secret").decode()
    password = "correct-horse-hunter2"
    secrets = [good, unknown, wrong, basic, password]
    seen = ""
    for secret in secrets:
        for method, path in (
            ("GET", "/hello"), ("POST", "/echo"), ("GET", "/echo"), ("PUT", "/anything"), ("GET", "/whoami"), ("GET", "/ws"),
            ("POST", "/sessions"), ("POST", "/accounts"), ("GET", "/tokens"), ("DELETE", f"/tokens/{unknown}"),
            ("GET", f"/no/{good}"), ("GET", f"/hello?token={good}&password={password}"),
        ):  # fmt: skip
            for headers in (
                {"Authorization": f"Bearer {secret}"},
                {"Authorization": f"Basic {secret}"},
                {"Authorization": secret, "Cookie": f"session={secret}"},
                {"Authorization": f"Bearer {good}", "X-Api-Key": secret, "X-Echo-Fault": f"status={secret}"},
                {
                    "Sec-WebSocket-Protocol": f"echo-room.token.{secret}",
                    "Upgrade": "websocket",
                    "Connection": "upgrade",
                },
            ):
                body = json.dumps(
                    {"auth": secret, "str": "x", "name": "someone", "password": password, "token": secret}
                )
                answer = requests.request(
                    method, server.url + path, data=body, timeout=30,
                    headers={**headers, "Content-Type": "application/json"},
                )  # fmt: skip
                seen += answer.text + str(answer.headers)
    for raw in (
        f"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {good}\r\nAuthorization: Bearer {unknown}\r\n\r\n",
        f"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {good}\x01\r\n\r\n",
        f"GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer {good}\r\n\r\n",
        f"GET /hello HTTP/1.1\r\nHost: x\r\nBearer {good}\r\n\r\n",
        f"GET /hello {good} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"{good} /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {good}\r\n\r\n",
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {good}\r\n\r\n",
        f"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{good}\r\n",
        f"GET /hello HTTP/1.1\r\nHost: x\r\nX-Request-Id: {good}\r\nX-Amzn-Trace-Id: {good}\r\nX-Forwarded-For: {good}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(raw.encode())
            answer_to_raw = read_answer(connection)
            seen += str(answer_to_raw)
    with connect(
        f"ws://127.0.0.1:{server.port}/ws", additional_headers={"Authorization": f"Bearer {good}"}
    ) as client:
        client.send("x")
        client.recv()
    time.sleep(0.5)
    seen += requests.get(f"http://127.0.0.1:{management}/metrics", timeout=30).text
    assert server.terminate() == 0
    everything = seen + server.output()
    assert '"event":"metrics"' in everything
    assert len([line for line in everything.splitlines() if '"event":"request"' in line]) > 250
    for secret in secrets:
        assert secret not in everything, everything[max(0, everything.index(secret) - 300) :][:400]
