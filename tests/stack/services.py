"""What AWS answers about an environment with one running service, for botocore's stubs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.stub import Stubber

from stack.aws.clients import Cloud
from stack.aws.stacks import Stack

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ARN = "arn:aws:ecs:us-east-1:1:"
IMAGE = f"1.dkr.ecr.us-east-1.amazonaws.com/repo@sha256:{'ab' * 32}"
STACK = Stack("service", "service-id", "CREATE_COMPLETE", "", NOW, None, {}, {}, {})


def stubbed(cloud: Cloud, service: str) -> Stubber:
    """A client of the cloud that answers only what it is told to."""
    client = boto3.client(service, region_name="us-east-1")
    cloud._clients[service] = client
    return Stubber(client)


def resources(*more: tuple[str, str, str]) -> dict[str, Any]:
    """The answer to ListStackResources: logical id, type, physical id of each."""
    kinds = (
        ("Cluster", "AWS::ECS::Cluster", "c"),
        ("Service", "AWS::ECS::Service", f"{ARN}service/c/s"),
        *more,
    )
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": name,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": NOW,
            }
            for name, kind, physical in kinds
        ]
    }


def task(identity: str, **more: Any) -> dict[str, Any]:
    """A task as DescribeTasks has it."""
    return {
        "taskArn": f"{ARN}task/c/{identity}",
        "taskDefinitionArn": f"{ARN}task-definition/echo:7",
        "availabilityZone": "us-east-1a",
        "lastStatus": "RUNNING",
        "containers": [{"name": "service", "image": IMAGE}],
        **more,
    }


def describe_service(cloud: Cloud, ecs: Stubber, *tasks: dict[str, Any], **more: Any) -> None:
    """Have the stubs of CloudFormation and ECS answer that there is one service with these tasks."""
    cloudformation = stubbed(cloud, "cloudformation")
    cloudformation.add_response("list_stack_resources", resources())
    cloudformation.activate()
    service = {
        "serviceName": "s",
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": len(tasks),
        "pendingCount": 0,
        "taskDefinition": f"{ARN}task-definition/echo:7",
        "deployments": [{"status": "PRIMARY", "rolloutState": "COMPLETED", "createdAt": NOW}],
        **more,
    }
    ecs.add_response("describe_services", {"services": [service]})
    ecs.add_response(
        "list_tasks",
        {"taskArns": [one["taskArn"] for one in tasks]},
        {"cluster": "c", "serviceName": "s", "desiredStatus": "RUNNING"},
    )
    if tasks:
        ecs.add_response("describe_tasks", {"tasks": list(tasks)})
