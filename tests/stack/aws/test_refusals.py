"""Why CloudFormation refuses a change set, by DescribeEvents as AWS answers it, and where it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from stack.aws import refusals
from stack.aws.changesets import ChangeSet
from stack.aws.clients import Cloud

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ID = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/x/1"
REASON = "The following validation failed: AWS::EarlyValidation::PropertyValidation"
CHANGE_SET = ChangeSet("x", ID, "data", "FAILED", REASON, "UNAVAILABLE", NOW, {}, [])
ASKED = {"ChangeSetName": ID, "Filters": {"FailedEvents": True}}
VALIDATION = {
    "EventId": "1",
    "EventType": "VALIDATION_ERROR",
    "LogicalResourceId": "Table",
    "ValidationName": "PROPERTY_VALIDATION",
    "ValidationStatus": "FAILED",
    "ValidationStatusReason": "#: extraneous key [Nme] is not permitted",
    "ValidationPath": "/Resources/Table/Nme",
    "Timestamp": NOW,
}
HOOK = {
    "EventId": "2",
    "EventType": "HOOK_INVOCATION_ERROR",
    "LogicalResourceId": "Table",
    "HookType": "Acme::Tables::Encrypted",
    "HookStatusReason": "the table has no key of ours",
    "Timestamp": NOW,
}
PROGRESS = {"EventId": "3", "EventType": "STACK_EVENT", "OperationStatus": "FAILED", "Timestamp": NOW}


@pytest.fixture
def stub(cloud: Cloud) -> Any:
    client = boto3.client("cloudformation", region_name="us-east-1")
    cloud._clients["cloudformation"] = client
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_what_the_validation_and_hooks_found_is_told_once_each_from_all_pages(
    cloud: Cloud, stub: Any
) -> None:
    stub.add_response(
        "describe_events", {"OperationEvents": [VALIDATION, PROGRESS], "NextToken": "more"}, ASKED
    )
    again = {"OperationEvents": [VALIDATION, HOOK]}
    stub.add_response("describe_events", again, {**ASKED, "NextToken": "more"})
    assert refusals.told(cloud, CHANGE_SET).splitlines() == [
        REASON,
        "  Table: /Resources/Table/Nme: #: extraneous key [Nme] is not permitted (PROPERTY_VALIDATION)",
        "  Table: the table has no key of ours (Acme::Tables::Encrypted)",
    ]


def test_an_endpoint_without_it_leaves_the_reason(cloud: Cloud, stub: Any) -> None:
    stub.add_client_error("describe_events", "InvalidAction", "Unknown action DescribeEvents", 400)
    assert refusals.told(cloud, CHANGE_SET) == REASON


def test_who_may_not_ask_gets_the_reason_all_the_same(cloud: Cloud, stub: Any) -> None:
    stub.add_client_error("describe_events", "AccessDenied", "no", 403)
    first, second = refusals.told(cloud, CHANGE_SET).splitlines()
    assert first == REASON
    assert "may call cloudformation:DescribeEvents" in second


def test_other_errors_are_not_swallowed(cloud: Cloud, stub: Any) -> None:
    stub.add_client_error("describe_events", "Throttling", "no", 400)
    with pytest.raises(ClientError):
        refusals.told(cloud, CHANGE_SET)


def test_the_emulator_answers_one_way_or_the_other(project: Any, cloud: Cloud) -> None:
    """What the endpoint says to an operation it may not know has to be among what is expected of it."""
    assert refusals.told(cloud, CHANGE_SET).startswith(REASON)
