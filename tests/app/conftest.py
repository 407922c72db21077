"""Fixtures of the app's tests: real servers, and a real DynamoDB API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from app.settings import load
from app.store import Store, open_store
from tests.app.servers import AWS, Server, StartServer, start, starting, stop
from tests.ministack import ministack


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """A function that starts servers with the given settings; they end with the test."""
    with starting(lambda: tmp_path_factory.mktemp("server")) as starter:
        yield starter


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
    with ministack(tmp_path_factory.mktemp("ministack"), "dynamodb", **AWS) as url:
        yield url


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
