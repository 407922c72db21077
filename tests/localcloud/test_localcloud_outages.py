"""DynamoDB that is out for a while, told by status, and back before its time when asked."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_dynamodb_fails_for_a_while_and_nothing_else_does(own_cloud: Any) -> None:
    assert "not" in own_cloud.run("dynamodb-outage", check=False).stderr, "nothing runs yet"
    own_cloud.run("up")
    tables = own_cloud.client("dynamodb")
    assert tables.list_tables()["TableNames"] == []
    assert "out for 3600 s" in own_cloud.run("dynamodb-outage", "--seconds", "3600").stdout
    with pytest.raises(ClientError) as caught:
        tables.list_tables()
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert own_cloud.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert json.loads(own_cloud.run("status", "--json").stdout)["dynamodb_outage"] > 3000
    assert "DynamoDB" in own_cloud.run("status").stdout
    assert "is back" in own_cloud.run("dynamodb-outage", "--seconds", "0").stdout
    assert tables.list_tables()["TableNames"] == []
    assert own_cloud.run("dynamodb-outage", "--seconds", "-1", check=False).returncode == 2
