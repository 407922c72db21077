"""The store hangs or refuses: known tokens serve for a while, the rest is 503. Revocation takes effect."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import requests

from app import tokens
from app.settings import load
from app.store import open_store
from tests.app.answers import Answer, assert_problem
from tests.app.servers import Server, StartServer, add_token, run_app


class Link:
    """A TCP relay to the store that can be made to hang (say nothing) or to refuse (close at once)."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname, parts.port)
        self.mode = "through"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as upstream:
            while self.mode != "refuse":
                readable, _, _ = select.select([client, upstream], [], [], 0.05)
                for source in readable:
                    try:
                        data = source.recv(65536)
                    except OSError:
                        return
                    if not data:
                        return
                    if self.mode == "through":
                        (upstream if source is client else client).sendall(data)


@pytest.fixture
def link(dynamodb_endpoint: str) -> Iterator[Link]:
    relay = Link(dynamodb_endpoint)
    yield relay
    relay.listener.close()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def answer_to(server: Server, token: str) -> Answer:
    response = server.echo(token)
    return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content)


@pytest.mark.parametrize("mode", ["hang", "refuse"])
def test_outage(
    start_server: StartServer, dynamodb_environment: dict[str, str], link: Link,
    monkeypatch: pytest.MonkeyPatch, mode: str,
) -> None:  # fmt: skip
    for name, value in dynamodb_environment.items():
        monkeypatch.setenv(name, value)
    table = dynamodb_environment["ECHO_DYNAMODB_TABLE"]
    store = open_store(load({"ECHO_STORE": "dynamodb", "ECHO_DYNAMODB_TABLE": table}))
    known, _ = add_token(store)
    unknown, _ = add_token(store)
    store.close()
    server = start_server(
        **dynamodb_environment | {"AWS_ENDPOINT_URL": link.url},
        ECHO_TOKEN_CACHE_SECONDS="0.2", ECHO_STORE_OUTAGE_SECONDS="8", ECHO_STORE_TIMEOUT_SECONDS="0.3",
    )  # fmt: skip
    assert server.echo(known).status_code == 200
    link.mode = mode
    time.sleep(0.3)  # the cached verification is no longer fresh
    assert server.echo(known).status_code == 200
    for token in (unknown, tokens.make()):
        answer = answer_to(server, token)
        assert_problem(answer, "store-unavailable")
        assert int(answer.headers["retry-after"]) > 0
    # Neither liveness nor other routes wait for the store.
    assert run_app("healthcheck", ECHO_PORT=str(server.port)).returncode == 0
    wait_for(lambda: server.echo(known).status_code == 503)
    assert_problem(answer_to(server, known), "store-unavailable")
    ready = run_probe(server)
    wait_for(lambda: ready() == 503)
    link.mode = "through"
    wait_for(lambda: ready() == 200)
    assert server.echo(known).status_code == 200
    assert server.echo(unknown).status_code == 200
    assert server.echo(tokens.make()).status_code == 401
    assert server.terminate() == 0


def run_probe(server: Server) -> Callable[[], int]:
    return lambda: requests.get(f"{server.url}/readyz", timeout=30).status_code


@pytest.mark.parametrize("backend", ["sqlite", "dynamodb"])
def test_revocation_takes_effect_on_every_process(
    request: pytest.FixtureRequest, start_server: StartServer, backend: str
) -> None:
    environment = {"ECHO_TOKEN_CACHE_SECONDS": "0.5", "ECHO_REFUSAL_CACHE_SECONDS": "0.5"}
    if backend == "dynamodb":
        environment |= request.getfixturevalue("dynamodb_environment")
    first = start_server(**environment)
    second = start_server(**environment | {"ECHO_SQLITE_PATH": first.environment["ECHO_SQLITE_PATH"]})
    store = {
        name: value for name, value in first.environment.items()
        if name.startswith("AWS_") or name in ("ECHO_STORE", "ECHO_SQLITE_PATH", "ECHO_DYNAMODB_TABLE")
    }  # fmt: skip
    made = json.loads(run_app("token", "create", "--name", "x", "--json", **store).stdout)
    assert first.echo(made["token"]).status_code == second.echo(made["token"]).status_code == 200
    assert run_app("token", "revoke", made["id"], **store).returncode == 0
    time.sleep(0.6)
    assert first.echo(made["token"]).status_code == second.echo(made["token"]).status_code == 401


def test_a_store_that_is_down_at_the_start_keeps_the_server_alive_and_not_ready(
    start_server: StartServer, dynamodb_environment: dict[str, str], link: Link
) -> None:
    link.mode = "refuse"
    environment = dynamodb_environment | {"AWS_ENDPOINT_URL": link.url, "ECHO_STORE_TIMEOUT_SECONDS": "0.3"}
    server = start_server(wait_for="/healthz", **environment)
    response = requests.get(f"{server.url}/readyz", timeout=30)
    headers = {name.lower(): value for name, value in response.headers.items()}
    assert_problem(Answer(response.status_code, headers, response.content), "not-ready")
    assert_problem(answer_to(server, tokens.make()), "store-unavailable")
    assert requests.get(f"{server.url}/healthz/echo", timeout=30).status_code == 200
    link.mode = "through"
    wait_for(lambda: run_probe(server)() == 200)
    assert server.terminate() == 0


def test_expiry_takes_effect_while_cached(start_server: StartServer) -> None:
    server = start_server()
    token, _ = server.new_token(expires_at=int(time.time()) + 5)
    assert server.echo(token).status_code == 200
    wait_for(lambda: server.echo(token).status_code == 401)
