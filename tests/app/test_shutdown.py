"""SIGTERM: not ready at once, no request lost, exit code 0."""

from __future__ import annotations

import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.http import BODY_LIMIT
from tests.app.answers import assert_problem, read_answer
from tests.app.servers import Server, StartServer


class Client(threading.Thread):
    """A polite keep-alive client: one request after the other, a new connection when it was told to close.

    Any request that is not answered with 200 is a loss: a reset, a refusal, a close without notice.
    """

    def __init__(self, server: Server, request: bytes, stop: threading.Event) -> None:
        super().__init__()
        self.server, self.request, self.stop = server, request, stop
        self.answered = 0
        self.told_to_close = 0
        self.lost: list[str] = []

    def run(self) -> None:
        connection: socket.socket | None = None
        while not self.stop.is_set():
            try:
                connection = connection or self.server.connect()
                connection.sendall(self.request)
                answer = read_answer(connection)
                assert answer.status == 200, answer
            except (OSError, AssertionError) as error:
                self.lost.append(repr(error))
                return
            self.answered += 1
            if answer.headers.get("connection") == "close":
                self.told_to_close += 1
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


class SocketClient(threading.Thread):
    """Sends messages over a WebSocket and waits for each to come back, until the server says 1001."""

    def __init__(self, server: Server, token: str) -> None:
        super().__init__()
        self.url = server.url.replace("http", "ws", 1) + "/ws"
        self.headers = {"Authorization": f"Bearer {token}"}
        self.context = server.client_context
        self.echoed = 0
        self.ended = ""

    def run(self) -> None:
        try:
            with connect(self.url, ssl=self.context, additional_headers=self.headers) as client:
                while True:
                    client.send(f"message {self.echoed}")
                    assert client.recv(timeout=30) == f"message {self.echoed}"
                    self.echoed += 1
        except ConnectionClosed as closed:
            self.ended = str(closed.rcvd.code if closed.rcvd else closed)
        except (OSError, AssertionError, TimeoutError) as error:
            self.ended = repr(error)


@pytest.mark.parametrize(("workers", "tls"), [("1", "off"), ("2", "off"), ("2", "throwaway")])
def test_no_request_is_lost_under_load(start_server: StartServer, workers: str, tls: str) -> None:
    """Keep-alive clients of every kind of route, WebSockets and a slow upload, all at once."""
    server = start_server(ECHO_WORKERS=workers, ECHO_TLS=tls, ECHO_GRACE_SECONDS="3", ECHO_DRAIN_SECONDS="10")
    token, _ = server.new_token()
    bearer = b"Host: x\r\nAuthorization: Bearer %b\r\n" % token.encode()
    typed = bearer + b"Content-Type: application/json\r\nContent-Length: 12\r\n\r\n"
    kinds = [
        b"POST /echo HTTP/1.1\r\n" + typed + b'{"str": "x"}',
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /anything HTTP/1.1\r\n" + typed + b'{"any": "x"}',
        b"GET /whoami HTTP/1.1\r\n" + bearer + b"\r\n",
    ]
    stop = threading.Event()
    clients = [Client(server, kinds[number % len(kinds)], stop) for number in range(24)]
    sockets = [SocketClient(server, token) for _ in range(4)]
    for client in [*clients, *sockets]:
        client.start()
    with server.connect() as upload:
        upload.sendall(kinds[0][:-6])
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        # As a balancer would: within the grace period it takes the target out, and then sends it nothing.
        time.sleep(0.9)
        stop.set()
        for byte in kinds[0][-6:]:
            time.sleep(0.5)  # past the end of the grace period
            upload.sendall(bytes([byte]))
        assert read_answer(upload).status == 200
    for client in [*clients, *sockets]:
        client.join(60)
    assert server.process.wait(60) == 0
    assert [loss for client in clients for loss in client.lost] == []
    assert all(client.answered > 1 for client in clients)
    assert all(client.told_to_close for client in clients)
    assert [client.ended for client in sockets] == ["1001"] * 4
    assert all(client.echoed for client in sockets)


def test_not_ready_at_once_but_alive_and_serving(start_server: StartServer) -> None:
    server = start_server(ECHO_GRACE_SECONDS="6")
    token, _ = server.new_token()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as waiting:
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while requests.get(f"{server.url}/readyz", timeout=30).status_code == 200:
            assert time.monotonic() < deadline
        waiting.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_answer(waiting)
        assert_problem(answer, "not-ready")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"
    assert requests.get(f"{server.url}/healthz", timeout=30).status_code == 200
    answered = server.echo(token)
    assert (answered.status_code, answered.headers["Connection"]) == (200, "close")
    assert server.process.wait(60) == 0


def test_a_slow_upload_is_finished_after_accepting_stopped(start_server: StartServer) -> None:
    server = start_server(ECHO_GRACE_SECONDS="0", ECHO_DRAIN_SECONDS="10")
    token, _ = server.new_token()
    body = b'{"str": "%b"}' % (b"x" * (BODY_LIMIT - 20))
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
        slow.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (token.encode(), len(body))
        )
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        for start in range(0, len(body), 200_000):
            time.sleep(0.15)
            slow.sendall(body[start : start + 200_000])
        answer = read_answer(slow)
    assert (answer.status, answer.body) == (200, body)
    assert server.process.wait(60) == 0


@pytest.mark.parametrize("tls", ["off", "throwaway"])
def test_who_had_connected_is_answered(start_server: StartServer, tls: str) -> None:
    """A connection is a promise, also one on which nothing had arrived when the server stopped accepting."""
    server = start_server(ECHO_TLS=tls)
    context = server.client_context
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while "draining" not in server.output():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        wrapped = context.wrap_socket(connection, server_hostname="127.0.0.1") if context else connection
        wrapped.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_answer(wrapped)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert wrapped.recv(1) == b""
    assert server.process.wait(60) == 0


def test_what_does_not_finish_in_time_is_cut_off(start_server: StartServer) -> None:
    server = start_server(ECHO_DRAIN_SECONDS="0.5")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as stuck:
        stuck.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        time.sleep(0.2)
        assert server.terminate() == 0


def test_a_second_sigterm_changes_nothing(start_server: StartServer) -> None:
    server = start_server(ECHO_GRACE_SECONDS="5", ECHO_DRAIN_SECONDS="1")
    started = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert requests.get(f"{server.url}/hello", timeout=30).status_code == 200, "the grace period goes on"
    assert server.process.wait(60) == 0
    assert time.monotonic() - started >= 5


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGQUIT])
def test_another_signal_cuts_the_grace_period_short(
    start_server: StartServer, second: signal.Signals
) -> None:
    server = start_server(ECHO_GRACE_SECONDS="60", ECHO_DRAIN_SECONDS="60")
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    server.process.send_signal(second)
    assert server.process.wait(45) == 0


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGQUIT])
def test_sigint_ends_at_once(start_server: StartServer, first: signal.Signals) -> None:
    server = start_server(ECHO_GRACE_SECONDS="60", ECHO_DRAIN_SECONDS="60")
    server.process.send_signal(first)
    assert server.process.wait(45) == 0


def test_no_worker_outlives_a_killed_parent(start_server: StartServer) -> None:
    server = start_server()
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)
