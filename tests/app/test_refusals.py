"""Every way a request is refused (refusals.py), on a real server; `assert_problem` pins the whole shape."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from app import tokens
from app.problems import KINDS
from app.store import open_store
from tests.app.answers import Answer, assert_problem, read_answer
from tests.app.refusals import GIVEN, GOOD, TABLE, Refusal
from tests.app.servers import Server, StartServer, free_port, start, stop


def send(server: Server, request: bytes, *, head: bool = False) -> tuple[Answer, bool]:
    """The response to raw bytes, and whether the server then closed the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        answer = read_answer(connection, head=head)
        connection.settimeout(0.05 if answer.headers.get("connection") != "close" else 30)
        try:
            return answer, connection.recv(1) == b""
        except TimeoutError:
            return answer, False


@pytest.fixture(scope="module")
def known_tokens(server: Server) -> dict[str, str]:
    good, _ = server.new_token()
    expired, _ = server.new_token(expires_at=int(time.time()) - 1)
    revoked, record = server.new_token()
    store = open_store(server.settings)
    store.revoke(record.owner, record.id, int(time.time()))
    store.close()
    return {GOOD: good, "EXPIRED": expired, "REVOKED": revoked}


def arrange(server: Server, given: str, good: str) -> socket.socket | None:
    """Bring a server into its state; what is returned is held open meanwhile."""
    spend = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"
        b'Content-Length: 12\r\n\r\n{"str": "x"}' % good.encode()
    )
    if given == "draining":
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while send(server, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")[0].status != 503:
            assert time.monotonic() < deadline
    elif given == "limit reached":
        assert send(server, spend)[0].status == 200
    elif given == "full":
        held = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        held.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(held).status == 200
        return held
    return None


@pytest.fixture(scope="module")
def states(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], tuple[Server, dict[str, str]]]]:
    """A server in each state of GIVEN, started when it is first asked for, and its tokens."""
    made: dict[str, tuple[Server, dict[str, str]]] = {}
    held = []

    def in_state(given: str) -> tuple[Server, dict[str, str]]:
        if given not in made:
            settings = dict(GIVEN[given])
            if given == "no store":
                settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
            server = start(tmp_path_factory.mktemp("state"), wait_for="/healthz", **settings)
            good = tokens.make() if given == "no store" else server.new_token()[0]
            made[given] = server, {GOOD: good}
            held.append(arrange(server, given, good))
        return made[given]

    yield in_state
    for connection in filter(None, held):
        connection.close()
    for server, _ in made.values():
        stop(server)


@pytest.mark.parametrize("refusal", TABLE, ids=lambda refusal: f"{refusal.given} {refusal.name}".strip())
def test_refusal(
    server: Server,
    known_tokens: dict[str, str],
    states: Callable[[str], tuple[Server, dict[str, str]]],
    refusal: Refusal,
) -> None:
    if refusal.given:
        server, known_tokens = states(refusal.given)
    request = refusal.raw
    if request is None:
        lines = [
            f"{refusal.method} {refusal.path} HTTP/1.1",
            "Host: x",
            f"Content-Length: {len(refusal.body)}",
        ]
        lines += [f"{name}: {value}" for name, value in refusal.headers.items()]
        header = "\r\n".join(lines) + "\r\n\r\n"
        for name, token in known_tokens.items():
            header = header.replace(f"Bearer {name}", f"Bearer {token}")
        request = header.encode("latin-1") + refusal.body
    head = refusal.method == "HEAD"
    answer, closed = send(server, request, head=head)
    assert_problem(answer, refusal.problem, head=head)
    for name, value in refusal.answer_headers.items():
        got = answer.headers[name]
        if value == "ANY":
            assert int(got) > 0
            continue
        assert sorted(got.split(", ")) == sorted(value.split(", ")) if name == "allow" else got == value
    assert (answer.headers.get("connection") == "close") is refusal.closes
    assert closed is refusal.closes


def test_the_table_covers_every_kind_of_problem() -> None:
    elsewhere = {
        **dict.fromkeys(
            (
                "invalid-credentials",
                "invitation-refused",
                "name-taken",
                "too-many-tokens",
                "already-rotated",
                "weak-password",
                "too-many-attempts",
            ),
            "test_account_refusals: the same kind of table, for what an account and a session are needed for",
        ),
        "internal-error": "test_flask_application: no request leads there",
    }
    assert {refusal.problem for refusal in TABLE} | set(elsewhere) == set(KINDS)


def test_too_many_connections(start_server: StartServer) -> None:
    server = start_server(ECHO_CONNECTIONS="3")
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(3)]
    for connection in held:  # each is accepted for certain
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(connection).status == 200
    answer, closed = send(server, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert_problem(answer, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
    assert closed
    for connection in held:
        connection.close()
    deadline = time.monotonic() + 60
    while send(server, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")[0].status != 200:
        assert time.monotonic() < deadline


def test_a_sane_request_id_comes_back_and_another_does_not(server: Server) -> None:
    for given, kept in (
        ("abc-123:/+=@._", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ("", False),
    ):
        request = f"GET /nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: {given}\r\n\r\n".encode()
        answer, _ = send(server, request)
        assert_problem(answer, "not-found")
        assert (answer.headers["x-request-id"] == given) is kept


def test_slow_clients_do_not_keep_others_waiting(server: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(100)]
    for number, connection in enumerate(slow):
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{" if number % 2 else b"GET / HT"
        )
    answer, _ = send(server, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200
    for connection in slow:
        assert read_answer(connection).status == 408
        connection.close()
