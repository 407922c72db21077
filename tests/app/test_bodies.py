"""What all bodies of a worker may take together: large ones are refused beyond it, small ones never."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.app.answers import assert_problem, read_answer
from tests.app.servers import Server, start, stop

HEADER = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"
SIZE = 1_000_000


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(
        tmp_path_factory.mktemp("narrow"), ECHO_WORKERS="1", ECHO_BODIES_MIB="1", ECHO_BODY_SECONDS="120"
    )
    yield running
    stop(running)


def begin(server: Server, token: str, sent: int) -> socket.socket:
    """A request whose body has come up to `sent` bytes of SIZE."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    header = HEADER % token.encode() + b"Content-Length: %d\r\n\r\n" % SIZE
    connection.sendall(header + (b'{"str": "' + b"x" * SIZE)[:sent])
    for _ in range(10):  # its one loop has read what lay there before it has answered these
        assert server.echo(token).status_code == 200
    return connection


def finish(connection: socket.socket, sent: int) -> bytes:
    body = b'{"str": "%b"}' % (b"x" * (SIZE - 11))
    connection.sendall(body[sent:])
    return read_answer(connection).body


def refuse(server: Server, token: str, sent: int = SIZE // 2) -> None:
    """Another large body has no room; that is said before its end, and the connection is closed."""
    with begin(server, token, sent) as connection:
        answer = read_answer(connection)
        assert_problem(answer, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"


def test_large_bodies_share_what_there_is(narrow: Server) -> None:
    token, _ = narrow.new_token()
    with begin(narrow, token, SIZE * 9 // 10) as first:
        refuse(narrow, token)
        assert narrow.echo(token, "x" * 10_000).status_code == 200
        chunked = requests.post(
            f"{narrow.url}/echo", iter([b'{"str":', b'"small"}']), timeout=60,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )  # fmt: skip
        assert chunked.json() == {"str": "small"}
        assert len(finish(first, SIZE * 9 // 10)) == SIZE
    with begin(narrow, token, SIZE * 9 // 10) as next_one:  # what the first one had is free again
        assert len(finish(next_one, SIZE * 9 // 10)) == SIZE


def exchange(client: ClientConnection, fragments: list[str]) -> str | bytes:
    client.send(fragments)
    return client.recv(60)


def test_unfinished_messages_count_too(narrow: Server) -> None:
    token, _ = narrow.new_token()
    address, bearer = f"ws://127.0.0.1:{narrow.port}/ws", {"Authorization": f"Bearer {token}"}

    def half_a_message() -> Iterator[str]:
        yield "x" * (SIZE // 2)
        asked.wait(60)
        yield "y" * (SIZE // 4)

    asked = threading.Event()
    with (
        connect(address, additional_headers=bearer, max_size=None) as first,
        connect(address, additional_headers=bearer, max_size=None) as second,
    ):
        sender = threading.Thread(target=first.send, args=[half_a_message()])
        sender.start()
        for _ in range(10):
            assert narrow.echo(token).status_code == 200
        refuse(narrow, token, SIZE * 3 // 4)
        second.send("small")
        assert second.recv() == "small"
        with pytest.raises(ConnectionClosed) as closed:
            exchange(second, ["z" * (SIZE * 3 // 4), "z"])
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        asked.set()
        sender.join(60)
        assert len(first.recv(60)) == SIZE // 2 + SIZE // 4
    with begin(narrow, token, SIZE * 9 // 10) as next_one:  # all was given back
        assert len(finish(next_one, SIZE * 9 // 10)) == SIZE


def test_a_client_that_goes_away_gives_back_what_it_had(narrow: Server) -> None:
    token, _ = narrow.new_token()
    with begin(narrow, token, SIZE * 9 // 10):
        refuse(narrow, token)
    deadline = time.monotonic() + 60
    while narrow.echo(token, "x" * SIZE).status_code != 200:
        assert time.monotonic() < deadline
