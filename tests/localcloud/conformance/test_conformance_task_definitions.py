"""ECS: task definitions, their revisions and what is refused of them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import CONTAINER, Account, register


def test_revisions_count_up_and_the_family_means_the_latest(
    account: Account, name: str, cleanup: ExitStack
) -> None:
    assert [register(account, cleanup, name)["revision"] for _ in range(2)] == [1, 2]
    ecs = account.client("ecs")
    assert ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]["revision"] == 2
    listed = ecs.list_task_definitions(familyPrefix=name, sort="DESC")["taskDefinitionArns"]
    assert [arn.rpartition(":")[2] for arn in listed] == ["2", "1"]


def test_a_deregistered_revision_is_inactive_and_can_still_be_described(account: Account, name: str) -> None:
    ecs = account.client("ecs")
    with ExitStack() as cleanup:
        arn = register(account, cleanup, name)["taskDefinitionArn"]
    found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    assert found["status"] == "INACTIVE"
    assert ecs.list_task_definitions(familyPrefix=name)["taskDefinitionArns"] == []


def test_sizes_that_fargate_does_not_have_are_refused(
    account: Account, name: str, cleanup: ExitStack
) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ClientException, match="No Fargate configuration exists"):
        register(account, cleanup, name, cpu="256", memory="8192")


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"cpu": "300"}, "No Fargate configuration exists"),
        ({"memory": "3072"}, "No Fargate configuration exists"),
        ({"networkMode": "bridge"}, "network mode"),
        ({"family": "no family"}, "(?i)family"),
        ({"containerDefinitions": [{**CONTAINER, "essential": False}]}, "(?i)essential"),
        ({"containerDefinitions": [CONTAINER, CONTAINER]}, "(?i)unique|duplicate"),
        (
            {
                "containerDefinitions": [
                    {**CONTAINER, "portMappings": [{"containerPort": 80, "hostPort": 81}]}
                ]
            },
            "(?i)port",
        ),
    ],
    ids=["cpu", "memory", "network", "family", "essential", "names", "ports"],
)
def test_a_definition_that_could_not_run_is_refused(
    account: Account, name: str, cleanup: ExitStack, members: dict[str, Any], problem: str
) -> None:
    ecs = account.client("ecs")
    with pytest.raises(
        (ecs.exceptions.ClientException, ecs.exceptions.InvalidParameterException), match=problem
    ):
        register(account, cleanup, **{"family": name, **members})


def test_sizes_are_told_as_numbers(account: Account, name: str, cleanup: ExitStack) -> None:
    made = register(account, cleanup, name, cpu=".5 vCPU", memory="1 GB")
    assert (made["cpu"], made["memory"]) == ("512", "1024")
