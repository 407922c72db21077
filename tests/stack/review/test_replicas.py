"""A replica that goes is a loss, though its table is only modified."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stack.errors import ToolError
from stack.review import gate, replicas
from stack.review.rows import Row


def context(*regions: str, **more: Any) -> str:
    return json.dumps({"Properties": {"Replicas": [{"Region": region, **more} for region in regions]}})


def lost(before: str, after: str, **more: Any) -> str:
    """What a change from one context to another loses."""
    change: Any = {
        "Action": "Modify",
        "LogicalResourceId": "Table",
        "ResourceType": "AWS::DynamoDB::GlobalTable",
        "Details": [{"Target": {"Attribute": "Properties", "Name": "Replicas"}}],
        "BeforeContext": before,
        "AfterContext": after,
        **more,
    }
    return replicas.lost(change)


BOTH = context("us-east-1", "us-west-2")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (BOTH, context("us-east-1"), "deletes the replica in us-west-2 of"),
        (BOTH, context("us-east-1", "eu-west-1"), "deletes the replica in us-west-2 of"),
        (context("us-east-1", "us-west-2", "eu-west-1"), context("us-east-1"),
         "deletes the replicas in us-west-2, eu-west-1 of"),
        (context("us-east-1"), BOTH, ""),
        (BOTH, context("us-west-2", "us-east-1", DeletionProtectionEnabled=True), ""),
    ],
    ids=["removed", "moved", "two", "added", "changed"],
)  # fmt: skip
def test_what_goes_is_named(before: str, after: str, said: str) -> None:
    assert lost(before, after) == said


def test_where_an_endpoint_does_not_tell_any_change_of_replicas_is_a_loss() -> None:
    assert lost("", "") == "may delete replicas of"
    assert lost(BOTH, "") == "may delete replicas of"
    other = [{"Target": {"Attribute": "Properties", "Name": "BillingMode"}}]
    assert lost("", "", Details=other) == ""


def test_the_gate_wants_the_table_named() -> None:
    kind = "AWS::DynamoDB::GlobalTable"
    gone = "deletes the replica in us-west-2 of"
    row = Row("data", "Modify", "Table", kind, "Replicas", "a", "b", "no", "template", "", gone)
    with pytest.raises(ToolError, match=f"{gone} data.Table"):
        gate.check([row], [], "make approve")
    gate.check([row], ["Table"], "make approve")


def test_another_type_has_no_replicas() -> None:
    assert lost(BOTH, context("us-east-1"), ResourceType="AWS::EFS::FileSystem") == ""
