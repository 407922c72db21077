"""The image serves as the bare process does: every route, and SIGTERM under load."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.app import servers
from tests.app.servers import Server
from tests.docker.conftest import docker, running
from tests.e2e.traffic import Traffic

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

SETTINGS = {
    "ECHO_WORKERS": "1",
    "ECHO_SIGN_UP": "open",
    "ECHO_VERSION": "test-version",
    "ECHO_HOST": "127.0.0.1",
}
# What differs from one process to the next, and from one moment to the next.
CHANGING = {"date", "x-request-id", "content-length", "etag", "ratelimit", "set-cookie"}


@contextlib.contextmanager
def container(image: str, **settings: str) -> Iterator[tuple[str, str, str]]:
    """A container in the host's network: its name, its URL and a token."""
    port = servers.free_port()
    environment = SETTINGS | {"ECHO_PORT": str(port)} | settings
    options = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    with running(image, "--network", "host", *options) as name:
        made = docker("exec", name, "python3", "-m", "app", "token", "create", "--name", "t", "--json")
        yield name, f"http://127.0.0.1:{port}", json.loads(made.stdout)["token"]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = servers.start(tmp_path_factory.mktemp("process"), **SETTINGS)
    yield server
    servers.stop(server)


def shape(value: Any) -> Any:
    """A JSON value without its changing parts: keys and types, and texts that are the same for everybody."""
    if isinstance(value, dict):
        # Percentiles are null until the last minute has a request.
        return {key: "float" if key in ("p50_ms", "p99_ms") else shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def answer(url: str, method: str, path: str, token: str | None, body: Any) -> tuple[int, dict[str, str], Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found = requests.request(method, url + path, headers=headers, json=body, timeout=30)
    kept = {name.lower(): text for name, text in found.headers.items() if name.lower() not in CHANGING}
    if "json" in kept.get("content-type", "") and method != "head":
        return found.status_code, kept, shape(found.json())
    return found.status_code, kept, found.text


def test_every_route_answers_as_in_the_process(image: str, process: Server) -> None:
    document = requests.get(f"{process.url}/openapi.json", timeout=30).json()
    ours, _ = process.new_token()
    asked = 0
    with container(image) as (_, url, theirs):
        for path, operations in document["paths"].items():
            for method in sorted(
                set(operations) & {"get", "post", "put", "patch", "delete", "head", "options"}
            ):
                where = path.replace("{id}", "00000000").replace("{token_id}", "00000000")
                for ours_or_none, theirs_or_none in ((ours, theirs), (None, None)):
                    for body in (None, {"str": "Is anybody there?"}):
                        here = answer(process.url, method, where, ours_or_none, body)
                        there = answer(url, method, where, theirs_or_none, body)
                        assert here == there, f"{method} {where}"
                        asked += 1
        whole = requests.get(f"{url}/openapi.json", timeout=30).json()
    assert whole == document
    assert asked > 60


def test_an_account_can_be_made_and_used(image: str) -> None:
    """Password hashing is compiled code that the image has to bring."""
    with container(image) as (_, url, _):
        who = {"name": "somebody", "password": "a long and private sentence"}
        assert requests.post(f"{url}/accounts", json=who, timeout=20).status_code == 201
        assert requests.post(f"{url}/sessions", json=who, timeout=20).status_code == 201


def test_sigterm_under_load_loses_nothing(image: str) -> None:
    with container(image, ECHO_GRACE_SECONDS="1.5") as (name, url, token), Traffic(url, token) as traffic:
        time.sleep(0.5)
        stopping = threading.Thread(target=docker, args=("stop", "--time", "30", name))
        stopping.start()
        # A balancer would have heard by now that it is not ready, and would send no more.
        time.sleep(1.0)
        traffic.stop()
        stopping.join()
        state = json.loads(docker("container", "inspect", name).stdout)[0]["State"]
    assert not traffic.lost
    assert traffic.answers["ok"] > 50
    assert state["ExitCode"] == 0


def test_python_writes_nothing_beside_the_code(image: str, tmp_path: Path) -> None:
    with container(image) as (name, _, _):
        assert [
            line for line in docker("diff", name).stdout.splitlines() if "/srv" in line or "/usr" in line
        ] == []
