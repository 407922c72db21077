"""Two tables of the service's own store on the endpoint that the tests share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from app.store.dynamodb import DynamoDBStore
from stack.recover.table import Live


@dataclass
class Tables:
    """The table in use, with the service's store in it, and a copy of it as it was."""

    live: Live
    store: DynamoDBStore
    target: str

    def copy(self) -> None:
        """Have the second table as the first is now."""
        for item in self.live.dynamodb.scan(TableName=self.live.name)["Items"]:
            self.live.dynamodb.put_item(TableName=self.target, Item=item)


def make(client: Any, name: str, **more: Any) -> Any:
    """Make a table with the keys of the service's."""
    return client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        **more,
    )["TableDescription"]


@pytest.fixture
def tables(endpoint_url: str, monkeypatch: pytest.MonkeyPatch) -> Tables:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("dynamodb", region_name="us-east-1")
    name = f"t{uuid.uuid4().hex[:8]}"
    described = make(client, name)
    make(client, f"{name}-then")
    return Tables(
        Live(client, "data", "Table", name, described), DynamoDBStore(name, timeout=5), f"{name}-then"
    )
