"""/ws on a real server: messages, limits, closes; handshakes that are refused are answered as problems."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.connection import frames
from app.store import TokenRecord, open_store
from tests.app.answers import Answer, assert_problem
from tests.app.servers import Server, StartServer
from tests.app.test_frames import frame

MIB = 1 << 20
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return server.new_token()[0]


def open_socket(server: Server, token: str, **options: Any) -> ClientConnection:
    return connect(
        f"ws://127.0.0.1:{server.port}/ws",
        additional_headers={"Authorization": f"Bearer {token}"},
        max_size=None,
        **options,
    )


def ask(server: Server, **headers: str | None) -> Answer:
    """The answer to a handshake with these changes; a value of None removes a field."""
    with raw_socket(server, **headers) as (_, answer):
        return answer


@contextmanager
def raw_socket(
    server: Server, method: str = "GET", early: bytes = b"", **changes: str | None
) -> Iterator[tuple[socket.socket, Answer]]:
    fields = HANDSHAKE | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall("\r\n".join([f"{method} /ws HTTP/1.1", *lines]).encode() + b"\r\n\r\n" + early)
        yield connection, read(connection)


def read(connection: socket.socket) -> Answer:
    """The answer, byte by byte up to its body: what follows a 101 stays in the socket."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, f"closed after {head!r}"
        head += piece
    lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert len(headers) == len(lines) - 1
    body = b""
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def test_every_message_comes_back(server: Server, token: str) -> None:
    with open_socket(server, token) as client:
        for message in ("", "hello", "\0 ☃ 𐐷", b"", b"\x00\xff", "x" * MIB, b"\xfe" * MIB, "é" * (MIB // 2)):
            client.send(message)
            assert client.recv() == message
        client.send(["frag", "", "mented"])
        assert client.recv() == "fragmented"
        assert client.ping(b"payload").wait(30)
        assert client.response is not None
        assert client.response.headers["X-Request-Id"]
        client.close(4001, "bye")
        assert client.protocol.close_rcvd is not None
        assert client.protocol.close_rcvd.code == 4001


def test_many_messages_ahead_of_a_slow_reader_all_come_back(start_server: StartServer) -> None:
    # Bare sockets: the client library reads nothing while one of its sends waits, and would wait for itself.
    server = start_server()
    token, _ = server.new_token()
    with raw_socket(server, Authorization=f"Bearer {token}") as (connection, answer):
        assert answer.status == 101
        messages = [bytes([n]) * 200_000 for n in range(100)]
        sender = threading.Thread(
            target=lambda: [connection.sendall(frame(frames.BINARY, message)) for message in messages]
        )
        sender.start()
        time.sleep(0.3)
        for message in messages:
            assert receive(connection, 10) == b"\x82\x7f" + len(message).to_bytes(8, "big")
            assert receive(connection, len(message)) == message
        sender.join()


def test_frames_right_behind_the_handshake_are_answered(server: Server, token: str) -> None:
    with raw_socket(server, Authorization=f"Bearer {token}", early=frame(frames.TEXT, b"early")) as (
        connection,
        answer,
    ):
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.headers["upgrade"] == "websocket"
        assert receive(connection, 7) == b"\x81\x05early"


def test_a_browser_sends_its_token_as_a_subprotocol(server: Server, token: str) -> None:
    answer = ask(
        server,
        Sec_WebSocket_Protocol=f"echo-room, echo-room.token.{token}",
        Host="a.example:8080",
        Origin="https://a.example:8080",
    )
    assert answer.status == 101
    assert answer.headers["sec-websocket-protocol"] == "echo-room"


@pytest.mark.parametrize(
    ("changes", "problem", "fields"),
    [
        (
            {"Upgrade": None},
            "upgrade-required",
            {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"},
        ),
        ({"Upgrade": "h2c"}, "upgrade-required", {"upgrade": "websocket"}),
        ({"Connection": "keep-alive"}, "upgrade-required", {}),
        ({"Sec_WebSocket_Version": "8"}, "upgrade-required", {"sec-websocket-version": "13"}),
        ({"Sec_WebSocket_Version": None}, "upgrade-required", {}),
        ({"Sec_WebSocket_Key": None}, "bad-request", {}),
        ({"Sec_WebSocket_Key": "short"}, "bad-request", {}),
        ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=!"}, "bad-request", {}),
        ({"Authorization": None}, "unauthorized", {"www-authenticate": 'Bearer realm="echo-room"'}),
        (
            {"Authorization": "Bearer nonsense"},
            "unauthorized",
            {"www-authenticate": 'Bearer realm="echo-room", error="invalid_token"'},
        ),
        ({"Authorization": "Basic eDp5"}, "unauthorized", {}),
        ({"Origin": "https://evil.example"}, "forbidden", {}),
        ({"Origin": "null"}, "forbidden", {}),
        ({"Origin": "https://["}, "forbidden", {}),
        ({"Origin": "http://x:81"}, "forbidden", {}),
        ({"method": "POST"}, "method-not-allowed", {"allow": "GET, OPTIONS"}),
    ],
    ids=str,
)
def test_a_refused_handshake_is_a_problem(
    server: Server, token: str, changes: dict[str, str | None], problem: str, fields: dict[str, str]
) -> None:
    answer = ask(server, **{"Authorization": f"Bearer {token}", **changes})
    assert_problem(answer, problem)
    assert fields.items() <= answer.headers.items()


def test_origins_that_a_setting_allows(start_server: StartServer) -> None:
    server = start_server(ECHO_ORIGINS="https://a.example, https://b.example:444")
    token, _ = server.new_token()
    for origin, status in (
        ("https://A.example", 101),
        ("https://b.example:444", 101),
        ("http://a.example", 403),
        ("http://x", 403),
    ):
        assert ask(server, Authorization=f"Bearer {token}", Origin=origin).status == status, origin


def receive(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        assert piece, f"closed after {data!r}"
        data += piece
    return data


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(frames.TEXT, b"\xff"), 1007),
        (frame(frames.TEXT, b"a", masked=False), 1002),
        (b"\x82\xff" + (MIB + 1).to_bytes(8) + b"key." + b"x" * 500_000, 1009),
        (frame(frames.CLOSE, b"\x03"), 1002),
        (frame(frames.CLOSE, (1000).to_bytes(2)), 1000),
        (frame(frames.CLOSE, b""), None),
    ],
)
def test_what_breaks_the_protocol_is_answered_and_then_closed(
    server: Server, token: str, wire: bytes, code: int | None
) -> None:
    with raw_socket(server, Authorization=f"Bearer {token}") as (connection, answer):
        assert answer.status == 101
        connection.sendall(wire)
        first, length = receive(connection, 2)
        assert first == 0x88
        payload = receive(connection, length)
        assert (int.from_bytes(payload[:2]) if payload else None) == code
        assert connection.recv(1) == b"", "the server closes"
    assert server.echo(token).status_code == 200


def closed(client: ClientConnection) -> int:
    """The close code that the server sends."""
    with pytest.raises(ConnectionClosed) as raised:
        client.recv(timeout=30)
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code


def test_an_idle_socket_is_closed(start_server: StartServer) -> None:
    server = start_server(ECHO_WS_IDLE_SECONDS="0.8", ECHO_WS_PING_SECONDS="0.2")
    token, _ = server.new_token()
    with open_socket(server, token) as client:
        assert closed(client) == 1000


def test_messages_are_limited(start_server: StartServer) -> None:
    server = start_server(ECHO_TOKEN_RATE="0.001", ECHO_TOKEN_BURST="4")
    token, _ = server.new_token()
    with open_socket(server, token) as client:  # the handshake takes one
        for _ in range(3):
            client.send("x")
            assert client.recv() == "x"
        client.send("x")
        assert closed(client) == 1013


def test_pings_are_limited_like_messages(start_server: StartServer) -> None:
    server = start_server(ECHO_TOKEN_RATE="0.001", ECHO_TOKEN_BURST="4")
    token, _ = server.new_token()
    with open_socket(server, token) as client:
        for _ in range(3):
            assert client.ping().wait(30)
        client.ping()
        assert closed(client) == 1013


def test_lists_may_be_in_several_fields(server: Server, token: str) -> None:
    fields = "\r\n".join(f"{name}: {value}" for name, value in HANDSHAKE.items() if name != "Connection")
    request = (
        f"GET /ws HTTP/1.1\r\n{fields}\r\nConnection: Upgrade\r\nConnection: keep-alive\r\n"
        f"Sec-WebSocket-Protocol: echo-room.token.{token}\r\nSec-WebSocket-Protocol: echo-room\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.encode())
        answer = read(connection)
    assert (answer.status, answer.headers.get("sec-websocket-protocol")) == (101, "echo-room")


def revoke(server: Server, record: TokenRecord) -> None:
    store = open_store(server.settings)
    store.revoke(record.owner, record.id, int(time.time()))
    store.close()


def test_a_revoked_tokens_socket_is_closed_within_the_cache_time(start_server: StartServer) -> None:
    server = start_server(ECHO_TOKEN_CACHE_SECONDS="1", ECHO_REFUSAL_CACHE_SECONDS="0")
    token, record = server.new_token()
    other, _ = server.new_token()
    with open_socket(server, token) as client, open_socket(server, other) as bystander:
        revoke(server, record)
        assert closed(client) == 1008
        bystander.send("still here")
        assert bystander.recv() == "still here"


def test_sigterm_closes_with_going_away_and_new_handshakes_are_refused(start_server: StartServer) -> None:
    server = start_server(ECHO_GRACE_SECONDS="4")
    token, _ = server.new_token()
    with ExitStack() as stack:
        clients = [stack.enter_context(open_socket(server, token)) for _ in range(20)]
        for client in clients:
            client.send("x")
            assert client.recv() == "x"
        server.process.send_signal(signal.SIGTERM)
        assert [closed(client) for client in clients] == [1001] * 20
    refused = ask(server, Authorization=f"Bearer {token}")
    assert_problem(refused, "not-ready")
    assert refused.headers["retry-after"] == "1"
    assert server.process.wait(60) == 0
    lines = [json.loads(line) for line in (server.folder / "stdout").read_text().splitlines()]
    ends = [line for line in lines if line["event"] == "websocket"]
    assert len(ends) == 20
    assert all(
        line["code"] == 1001 and line["messages"] == line["bytes_in"] == line["bytes_out"] == 1
        for line in ends
    )
    assert {line["request_id"] for line in ends} <= {
        line["request_id"] for line in lines if line["event"] == "request"
    }


def test_a_client_that_never_answers_the_close_frame_does_not_hold_up_the_exit(
    start_server: StartServer,
) -> None:
    server = start_server(ECHO_DRAIN_SECONDS="1")
    token, _ = server.new_token()
    with raw_socket(server, Authorization=f"Bearer {token}") as (connection, answer):
        assert answer.status == 101
        assert server.terminate() == 0
        assert receive(connection, 2)[0] == 0x88
