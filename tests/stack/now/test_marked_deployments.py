"""Deployments in the drawn dashboard: which are marked, what they are called, and what is rolled back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.now import dashboard
from stack.plot.sheet import Event
from stack.terminal import Terminal
from tests.stack.services import ARN, NOW, STACK, describe_service, stubbed, task

THERE: Mapping[str, Stack | None] = {
    "data": None,
    "service": dataclasses.replace(STACK, outputs={"RepositoryName": "repo"}),
}


def minutes(number: float) -> Any:
    return NOW + timedelta(minutes=number)


def brief(number: int, began: float, ended: float | None, status: str) -> dict[str, Any]:
    return {
        "targetServiceRevisionArn": f"{ARN}service-revision/c/s/{number}",
        "createdAt": minutes(began),
        "status": status,
        **({} if ended is None else {"finishedAt": minutes(ended)}),
    }


def test_deployments_are_marked_by_the_names_of_their_releases(cloud: Cloud) -> None:
    ecs, ecr = stubbed(cloud, "ecs"), stubbed(cloud, "ecr")
    describe_service(cloud, ecs, task("t1"))
    deployments = [
        brief(4, 50, None, "IN_PROGRESS"),
        brief(3, 30, 40, "ROLLBACK_SUCCESSFUL"),
        brief(2, -5, 1, "SUCCESSFUL"),
        brief(1, -60, -50, "SUCCESSFUL"),
    ]
    asked = {"cluster": "c", "service": "s"}
    ecs.add_response("list_service_deployments", {"serviceDeployments": deployments}, asked)
    revisions = [
        {
            "serviceRevisionArn": f"{ARN}service-revision/c/s/{number}",
            "containerImages": [{"containerName": "service", "image": f"1.ecr/repo@sha256:{number * 64}"}],
        }
        for number in ("2", "3", "4")
    ]
    ecs.add_response("describe_service_revisions", {"serviceRevisions": revisions})
    images = [
        {"imageDigest": f"sha256:{'2' * 64}", "imageTags": ["two"]},
        {"imageDigest": f"sha256:{'3' * 64}", "imageTags": ["three"]},
    ]
    ecr.add_response("describe_images", {"imageDetails": images})
    with ecs, ecr:
        found = dashboard._deployments(cloud, Terminal(), THERE, NOW.timestamp())
        ecs.assert_no_pending_responses()
        ecr.assert_no_pending_responses()
    assert found == [
        Event("two", minutes(-5).timestamp(), minutes(1).timestamp()),
        Event("three", minutes(30).timestamp(), minutes(40).timestamp(), failed=True),
        Event("repo@444444444444", minutes(50).timestamp(), None),
    ]


def test_a_history_that_may_not_be_read_is_said_and_the_rest_drawn(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    ecs = stubbed(cloud, "ecs")
    describe_service(cloud, ecs)
    ecs.add_client_error("list_service_deployments", "AccessDeniedException", "no")
    with ecs:
        assert dashboard._deployments(cloud, Terminal(), THERE, 0) == []
    said = capsys.readouterr().err
    assert "deployments are not marked: These credentials may not call ListServiceDeployments" in said
