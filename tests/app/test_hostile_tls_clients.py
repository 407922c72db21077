"""Clients that speak TLS wrongly, slowly or not at all do not disturb the others, and leave no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator

import pytest
import requests

from app.http import BODY_LIMIT
from tests.app.answers import Answer, assert_problem, read_answer
from tests.app.servers import Server, StartServer, start, stop


class HandMade:
    """A client whose bytes are under the test's control."""

    def __init__(self, server: Server, *, greet: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = server.client_context
        assert context is not None
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")
        if not greet:
            return
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
                self.incoming.write(self.socket.recv(65536))

    def hello(self) -> bytes:
        """The first flight, which is not sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.socket.sendall(self.outgoing.read())

    def recv(self, size: int) -> bytes:
        """What comes, decrypted; nothing once the server has said goodbye."""
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                piece = self.socket.recv(65536)
                assert piece, "closed without a goodbye"
                self.incoming.write(piece)
            except ssl.SSLZeroReturnError:
                return b""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(
        tmp_path_factory.mktemp("server"),
        ECHO_TLS="throwaway",
        ECHO_HEADER_SECONDS="1",
        ECHO_KEEPALIVE_SECONDS="1",
    )
    yield running
    everything = running.output() if running.terminate() == 0 else "no clean end"
    stop(running)
    assert "clean end" not in everything
    assert "Traceback" not in everything
    assert "fault" not in everything
    assert "ERROR" not in everything


def alive(server: Server) -> bool:
    return requests.get(f"{server.url}/hello", verify=server.verify, timeout=30).status_code == 200


def gone(connection: socket.socket) -> bool:
    """Wait for the server to close it, by whatever means."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def read(client: HandMade) -> Answer:
    return read_answer(client)  # all it needs is recv


def test_silence_and_half_a_handshake_are_cut_off(server: Server) -> None:
    hello = HandMade(server, greet=False).hello()
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(60)]
    for connection in silent[:20]:
        connection.sendall(hello[:100])
    for connection in silent[20:40]:
        connection.sendall(hello)  # and no answer to the server's part
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        assert alive(server), "others do not notice"
    assert all(gone(connection) for connection in silent)


def test_a_handshake_by_the_byte_is_cut_off(server: Server) -> None:
    """A byte now and then does not extend the time."""
    client = HandMade(server, greet=False)
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        for byte in client.hello():
            client.socket.sendall(bytes([byte]))
            time.sleep(0.05)
            if time.monotonic() - started > 20:
                pytest.fail("the server still listens")
    assert gone(client.socket)


@pytest.mark.parametrize("method", ["GET", "POST", "CONNECT"])
def test_plain_http_is_told_what_to_do(server: Server, method: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"{method} /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".encode())
        answer = read_answer(connection)
        assert_problem(answer, "bad-request")
        assert answer.headers["connection"] == "close"
        assert json.loads(answer.body)["detail"] == "This port speaks TLS: use https."
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 1000,
        b"\xff" * 1000,
        b"SSH-2.0-x\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 70000,
        os.urandom(5000),
    ],
    ids=["zeros", "ones", "ssh", "long record", "noise"],
)
def test_garbage_ends_a_connection(server: Server, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(garbage)
        assert gone(connection)
    assert alive(server)


@pytest.mark.parametrize("part", ["nothing", "half", "hello", "handshake", "request"])
def test_resets_at_any_time(server: Server, part: str) -> None:
    for _ in range(10):
        client = HandMade(server, greet=part in ("handshake", "request"))
        if part in ("half", "hello"):
            hello = client.hello()
            client.socket.sendall(hello[: 60 if part == "half" else None])
        elif part == "request":
            client.socket.sendall(client.encrypt(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
    assert alive(server)


@pytest.mark.parametrize("where", ["type", "text", "check"])
def test_a_changed_record_ends_the_connection_and_is_not_acted_on(server: Server, where: str) -> None:
    client = HandMade(server)
    record = bytearray(client.encrypt(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"))
    record[{"type": 0, "text": 20, "check": -1}[where]] ^= 1
    client.socket.sendall(record)
    with pytest.raises((ssl.SSLError, ConnectionError)):  # an alert: not an answer, and not only the end
        client.recv(1)
    assert gone(client.socket)
    assert alive(server)


def test_a_record_in_pieces_and_records_in_one_piece(server: Server) -> None:
    client = HandMade(server)
    request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    record = client.encrypt(request)
    for byte in record:
        client.socket.sendall(bytes([byte]))
    assert read(client).status == 200
    client.socket.sendall(b"".join(client.encrypt(bytes([byte])) for byte in request))
    assert read(client).status == 200


def test_a_client_that_says_goodbye_first_still_gets_its_answer(server: Server) -> None:
    token, _ = server.new_token()
    client = HandMade(server)
    body = json.dumps({"str": "x" * (BODY_LIMIT - 20)}).encode()
    client.socket.sendall(
        client.encrypt(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (token.encode(), len(body), body)
        )
    )
    client.say_goodbye()
    answer = read(client)
    assert (answer.status, answer.body) == (200, body)
    assert client.recv(1) == b""


def test_a_client_that_goes_on_sending_what_was_refused_gets_to_read_why(server: Server) -> None:
    client = HandMade(server)
    client.socket.sendall(
        client.encrypt(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
    )
    for _ in range(60):
        client.socket.sendall(client.encrypt(b"x" * 65536))
    assert_problem(read(client), "content-too-large")
    assert client.recv(1) == b"", "a goodbye"


def test_an_idle_connection_gets_a_goodbye_and_is_closed_without_waiting_for_one(server: Server) -> None:
    client = HandMade(server)
    client.socket.sendall(client.encrypt(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert read(client).status == 200
    assert client.recv(1) == b"", "the goodbye, after the keep-alive time"
    assert client.socket.recv(1) == b"", "and the socket is closed, too"


def test_handshakes_count_as_connections(start_server: StartServer) -> None:
    server = start_server(ECHO_TLS="throwaway", ECHO_CONNECTIONS="10", ECHO_HEADER_SECONDS="5")
    hello = HandMade(server, greet=False).hello()  # it is connected, too
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(12)]
    for connection in silent[6:]:
        connection.sendall(hello)
    with server.connect() as connection:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_answer(connection)
        assert_problem(answer, "overloaded")
        assert answer.headers["connection"] == "close"
    assert all(gone(connection) for connection in silent)
    assert alive(server)


def test_a_client_that_never_reads_is_cut_off(start_server: StartServer) -> None:
    server = start_server(ECHO_TLS="throwaway", ECHO_HEADER_SECONDS="1")
    token, _ = server.new_token()
    body = json.dumps({"str": "x" * (BODY_LIMIT - 20)}).encode()
    request = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (token.encode(), len(body), body)
    )
    client = HandMade(server)
    client.socket.settimeout(15)

    def send_for_ever() -> None:
        while True:
            client.socket.sendall(client.encrypt(request))

    with pytest.raises(ConnectionError):  # not a time-out: the server ends it
        send_for_ever()
    assert alive(server)
