"""What the ECS agent gives a container: its environment, and its place in the metadata endpoint."""

from __future__ import annotations

import secrets
from typing import Any

from localcloud import emulator
from localcloud.ecs.records import Record


def register(task: Record, definition: Record, shown: Record, identity: str) -> str:
    """Make the metadata of one container known; the token under which it is served."""
    token = secrets.token_urlsafe(24)
    family, _, revision = task["taskDefinitionArn"].rsplit("/", 1)[1].rpartition(":")
    common: dict[str, Any] = {"DesiredStatus": "RUNNING", "KnownStatus": "PENDING"}
    emulator.module("services.ecs_metadata").register_container(
        token,
        task["taskArn"],
        task_payload={
            **common,
            "Cluster": task["clusterArn"],
            "TaskARN": task["taskArn"],
            "Family": family,
            "Revision": revision,
            "AvailabilityZone": task["availabilityZone"],
            "LaunchType": task["launchType"],
            "ServiceName": task["group"].removeprefix("service:"),
        },
        container_payload={
            **common,
            "KnownStatus": "RUNNING",
            "DockerId": identity,
            "Name": definition["name"],
            "Image": definition["image"],
            "ImageID": shown.get("imageDigest", ""),
            "ContainerARN": shown["containerArn"],
            "Type": "NORMAL",
            "Labels": {
                "com.amazonaws.ecs.cluster": task["clusterArn"],
                "com.amazonaws.ecs.container-name": definition["name"],
                "com.amazonaws.ecs.task-arn": task["taskArn"],
                "com.amazonaws.ecs.task-definition-family": family,
                "com.amazonaws.ecs.task-definition-version": revision,
            },
        },
    )
    return token


def environment(gateway: str, region: str, token: str) -> dict[str, str]:
    """The variables a container gets besides its definition's."""
    return {
        "AWS_ENDPOINT_URL": gateway,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "ECS_CONTAINER_METADATA_URI_V4": f"{gateway}/v4/{token}",
    }


def unregister(token: str) -> None:
    """Serve a container that has gone no longer."""
    emulator.module("services.ecs_metadata").unregister_token(token)
