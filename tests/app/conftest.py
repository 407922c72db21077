"""Fixtures of the app's tests: real servers, and a real DynamoDB API."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
import requests

from app.settings import load
from app.store import Store, open_store
from tests.app.servers import AWS, Server, StartServer, clean_environment, free_port, start, stop


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """A function that starts servers with the given settings; they end with the test."""
    servers: list[Server] = []

    def starter(wait_for: str = "/readyz", **environment: str) -> Server:
        server = start(tmp_path / f"server{len(servers)}", wait_for=wait_for, **environment)
        servers.append(server)
        return server

    yield starter
    for server in servers:
        stop(server)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with short time-outs, shared by a module's tests that leave it as it is."""
    running = start(
        tmp_path_factory.mktemp("server"),
        ECHO_HEADER_SECONDS="0.6",
        ECHO_BODY_SECONDS="0.6",
        ECHO_THREADS="4",
    )
    yield running
    stop(running)


@pytest.fixture(scope="session")
def dynamodb_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a DynamoDB API on loopback, for the tests of one pytest process."""
    folder = tmp_path_factory.mktemp("ministack")
    port = free_port()
    variables = clean_environment(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        SERVICES="dynamodb",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        PERSIST_STATE="0",
        STATE_DIR=str(folder),
        HOME=str(folder),
        TMPDIR=str(folder),
        **AWS,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=variables, cwd=folder, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                requests.get(f"{url}/_ministack/health", timeout=30)
                break
            except requests.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"ministack did not start: {(folder / 'log').read_text()}") from None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def dynamodb_environment(dynamodb_endpoint: str) -> dict[str, str]:
    """Variables for the app to use a fresh table."""
    table = f"echo-{uuid.uuid4().hex[:12]}"
    client = boto3.client(
        "dynamodb", endpoint_url=dynamodb_endpoint, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return {
        "ECHO_STORE": "dynamodb",
        "ECHO_DYNAMODB_TABLE": table,
        "AWS_ENDPOINT_URL": dynamodb_endpoint,
        **AWS,
    }


@pytest.fixture(params=["sqlite", "dynamodb"])
def open_again(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Store]]:
    """A function that opens the store under test, each time anew."""
    environment = {"ECHO_SQLITE_PATH": str(tmp_path / "store.sqlite3"), "ECHO_STORE_TIMEOUT_SECONDS": "5"}
    if request.param == "dynamodb":
        variables = request.getfixturevalue("dynamodb_environment")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        environment |= {name: value for name, value in variables.items() if name.startswith("ECHO_")}
    opened: list[Store] = []

    def opener() -> Store:
        opened.append(open_store(load(environment)))
        return opened[-1]

    yield opener
    for store in opened:
        store.close()


@pytest.fixture
def store(open_again: Callable[[], Store]) -> Store:
    """The store under test, opened once; both backends in turn."""
    return open_again()
