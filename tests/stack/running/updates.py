"""Updates to look at: real ones that wait for as long as a test needs, and the events of one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
KIND = "AWS::CloudFormation::Stack"
# An update with it waits until it is told to go on or to fail; it fails when its seconds are over.
WAITING = """Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait:
    Type: AWS::CloudFormation::WaitCondition
    Metadata: {Description: A signal}
    Properties: {Handle: !Ref Handle, Timeout: "SECONDS"}
  Zlast: {Type: AWS::SNS::Topic, DependsOn: Wait}
"""


def begin_update(project: Any, seconds: int) -> None:
    project.edit("data", "Resources:\n", WAITING.replace("SECONDS", str(seconds)))
    project.client("cloudformation").update_stack(
        StackName=project.stack("data"), TemplateBody=project.template("data").read_text()
    )


def end_wait(project: Any, status: str) -> None:
    """Let the update go on (SUCCESS) or fail (FAILURE), as soon as it waits."""
    cloudformation = project.client("cloudformation")
    deadline = time.monotonic() + 120
    while True:
        try:
            cloudformation.signal_resource(
                StackName=project.stack("data"), LogicalResourceId="Wait", UniqueId="1", Status=status
            )
        except ClientError:  # the update has not come to it yet
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def event(number: int, logical_id: str, status: str, at: float = 0) -> dict[str, Any]:
    own = logical_id == "s"
    return {
        "StackId": "id",
        "EventId": str(number),
        "StackName": "s",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": "id" if own else "",
        "ResourceType": KIND if own else "AWS::SNS::Topic",
        "ResourceStatus": status,
        "Timestamp": START + timedelta(seconds=at),
    }


OLD = [
    event(1, "s", "CREATE_IN_PROGRESS"),
    event(2, "A", "CREATE_COMPLETE"),
    event(3, "s", "CREATE_COMPLETE"),
]
NOW = [
    event(4, "s", "UPDATE_IN_PROGRESS", 10),
    event(5, "A", "UPDATE_IN_PROGRESS", 11),
    event(6, "A", "UPDATE_COMPLETE", 41),
    event(7, "s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", 42),
]
END = event(8, "s", "UPDATE_COMPLETE", 43)
