"""CloudFormation: change sets, what they say, and what stacks refuse."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conformance.conftest import Account


def group(name: str, **properties: Any) -> dict[str, Any]:
    """A stack of one log group."""
    properties = {"LogGroupName": name, "RetentionInDays": 7, **properties}
    return {"Resources": {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}}


def change(change_set: dict[str, Any]) -> dict[str, Any]:
    (found,) = change_set["Changes"]
    resource: dict[str, Any] = found["ResourceChange"]
    return resource


@pytest.fixture
def stack(account: Account, name: str, cleanup: ExitStack) -> str:
    assert account.deploy(name, group(name))["StackStatus"] == "CREATE_COMPLETE"
    cleanup.callback(account.delete_stack, name)
    return name


def test_a_change_set_for_a_new_stack_makes_it_but_none_of_its_resources(
    account: Account, name: str, cleanup: ExitStack
) -> None:
    made = account.change_set(name, group(name))
    cleanup.callback(account.delete_stack, name)
    cloudformation = account.client("cloudformation")
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    assert found["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert made["ExecutionStatus"] == "AVAILABLE"
    assert (change(made)["Action"], change(made)["ResourceType"]) == ("Add", "AWS::Logs::LogGroup")
    assert account.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


def test_a_change_set_without_changes_fails_and_says_so(account: Account, stack: str) -> None:
    made = account.change_set(stack, group(stack), "UPDATE")
    assert (made["Status"], made["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in made["StatusReason"]


def test_a_property_that_is_updated_in_place_is_told_with_its_values(account: Account, stack: str) -> None:
    made = change(account.change_set(stack, group(stack, RetentionInDays=14), "UPDATE"))
    assert (made["Action"], made["Replacement"], made["Scope"]) == ("Modify", "False", ["Properties"])
    (detail,) = made["Details"]
    target = detail["Target"]
    assert (target["Name"], target["RequiresRecreation"]) == ("RetentionInDays", "Never")
    assert (target["Path"], target["BeforeValue"], target["AfterValue"]) == (
        "/Properties/RetentionInDays", "7", "14",
    )  # fmt: skip


def test_a_create_only_property_replaces_the_resource(account: Account, stack: str) -> None:
    made = change(account.change_set(stack, group(f"{stack}-other"), "UPDATE"))
    assert (made["Action"], made["Replacement"]) == ("Modify", "True")
    assert made["Details"][0]["Target"]["RequiresRecreation"] == "Always"


def test_an_executed_change_set_takes_the_others_of_its_stack_with_it(account: Account, stack: str) -> None:
    other = account.change_set(stack, group(stack, RetentionInDays=30), "UPDATE")
    assert (
        account.deploy(stack, group(stack, RetentionInDays=14), "UPDATE")["StackStatus"] == "UPDATE_COMPLETE"
    )
    left = account.client("cloudformation").list_change_sets(StackName=stack)["Summaries"]
    assert other["ChangeSetId"] not in [found["ChangeSetId"] for found in left]


def test_iam_resources_need_a_capability(account: Account, name: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    with pytest.raises(ClientError) as refused:
        account.change_set(name, {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": role}}})
    assert refused.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"


def test_a_failed_create_rolls_back_and_cannot_be_updated(
    account: Account, stack: str, name: str, cleanup: ExitStack
) -> None:
    # Its name is taken by the first stack's log group.
    other = f"{name}-second"
    template = group(name)
    topic = {"Type": "AWS::SNS::Topic"}
    template["Resources"] = {
        "Topic": topic,
        "Group": {**template["Resources"]["Group"], "DependsOn": "Topic"},
    }
    change_set = account.change_set(other, template)
    cleanup.callback(account.delete_stack, other)
    if change_set["Status"] == "FAILED":
        # AWS may tell when the change set is made that the name is taken.
        assert "validation" in change_set["StatusReason"].lower()
        return
    cloudformation = account.client("cloudformation")
    cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])

    def status() -> str:
        return str(cloudformation.describe_stacks(StackName=other)["Stacks"][0]["StackStatus"])

    account.until(lambda: status() == "ROLLBACK_COMPLETE")
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE"):
        account.change_set(other, template, "UPDATE")


def test_a_value_beyond_its_schema_is_refused(account: Account, name: str, cleanup: ExitStack) -> None:
    """When the change set is made, or when the resource is: both are documented."""
    made = account.change_set(name, group(name, RetentionInDays=8))
    cleanup.callback(account.delete_stack, name)
    if made["Status"] == "CREATE_COMPLETE":
        account.client("cloudformation").execute_change_set(ChangeSetName=made["ChangeSetId"])
        account.until(lambda: "ROLLBACK_COMPLETE" in str(account.client("cloudformation").describe_stacks(
            StackName=name)["Stacks"][0]["StackStatus"]))  # fmt: skip
    assert account.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


def test_a_protected_stack_is_not_deleted(account: Account, stack: str) -> None:
    cloudformation = account.client("cloudformation")
    cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    try:
        with pytest.raises(ClientError, match="TerminationProtection is enabled") as refused:
            cloudformation.delete_stack(StackName=stack)
        assert refused.value.response["Error"]["Code"] == "ValidationError"
    finally:
        cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=False)


def test_a_stack_that_is_not_there_is_a_validation_error(account: Account, name: str) -> None:
    with pytest.raises(ClientError, match=f"Stack with id {name} does not exist") as refused:
        account.client("cloudformation").describe_stacks(StackName=name)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
