"""ECS: task definitions, services, and tasks that end."""

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


def test_what_is_missing_is_a_failure_and_not_an_error(account: Account, cluster: str) -> None:
    found = account.client("ecs").describe_services(cluster=cluster, services=["none"])
    assert found["services"] == []
    assert [failure["reason"] for failure in found["failures"]] == ["MISSING"]


def test_a_service_that_is_not_there(account: Account, cluster: str) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.update_service(cluster=cluster, service="none", desiredCount=1)


def test_a_cluster_that_is_not_there(account: Account, name: str) -> None:
    ecs = account.client("ecs")
    gone = {"cluster": f"{name}-none"}
    for action, more in (
        (ecs.list_tasks, {}), (ecs.list_services, {}), (ecs.delete_cluster, {}),
        (ecs.describe_tasks, {"tasks": ["0" * 32]}), (ecs.describe_services, {"services": ["none"]}),
        (ecs.stop_task, {"task": "0" * 32}), (ecs.update_service, {"service": "none", "desiredCount": 0}),
        (ecs.delete_service, {"service": "none"}),
    ):  # fmt: skip
        with pytest.raises(ecs.exceptions.ClusterNotFoundException):
            action(**gone, **more)


def test_a_service_is_made_in_a_cluster_with_a_network(
    account: Account, cluster: str, network: tuple[str, list[str]], cleanup: ExitStack
) -> None:
    ecs = account.client("ecs")
    request = {
        "serviceName": cluster, "desiredCount": 0, "launchType": "FARGATE",
        "taskDefinition": register(account, cleanup, cluster)["taskDefinitionArn"],
    }  # fmt: skip
    with pytest.raises(
        ecs.exceptions.InvalidParameterException, match="Network Configuration must be provided"
    ):
        ecs.create_service(cluster=cluster, **request)
    placed = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": network[1]}}}
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.create_service(cluster=f"{cluster}-none", **request, **placed)


def test_a_service_is_made_once(account: Account, service: str, network: tuple[str, list[str]]) -> None:
    ecs = account.client("ecs")
    definition = ecs.describe_services(cluster=service, services=[service])["services"][0]["taskDefinition"]
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="not idempotent"):
        ecs.create_service(
            cluster=service, serviceName=service, taskDefinition=definition, desiredCount=1,
            launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": network[1]}},
        )  # fmt: skip


def test_tasks_of_a_service_that_is_not_there(account: Account, cluster: str) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.list_tasks(cluster=cluster, serviceName="none")
    assert ecs.list_tasks(cluster=cluster)["taskArns"] == []


def test_a_cluster_with_a_service_is_not_deleted(account: Account, service: str) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ClusterContainsServicesException):
        ecs.delete_cluster(cluster=service)


def test_a_service_of_no_tasks_gets_steady(account: Account, service: str) -> None:
    ecs = account.client("ecs")

    def found() -> dict[str, Any]:
        return dict(ecs.describe_services(cluster=service, services=[service])["services"][0])

    account.until(lambda: found()["deployments"][0]["rolloutState"] == "COMPLETED")
    assert (found()["status"], found()["runningCount"], len(found()["deployments"])) == ("ACTIVE", 0, 1)
    account.until(lambda: any("has reached a steady state" in e["message"] for e in found()["events"]))


@pytest.mark.costly_on_aws("asks for a task on Fargate")
def test_a_service_with_tasks_is_deleted_by_force_only(account: Account, service: str) -> None:
    ecs = account.client("ecs")
    ecs.update_service(cluster=service, service=service, desiredCount=1)
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="scaled above 0"):
        ecs.delete_service(cluster=service, service=service)


@pytest.mark.costly_on_aws("runs tasks on Fargate from an image of its own")
def test_a_task_that_is_stopped_says_why_and_its_service_starts_another(
    account: Account, service: str
) -> None:
    ecs = account.client("ecs")
    definition = account.local.task_definition(account.local.push(f"{service}/web"), VERSION="one")
    ecs.update_service(cluster=service, service=service, taskDefinition=definition, desiredCount=1)
    first = account.until(lambda: running(account, service))[0]
    ecs.stop_task(cluster=service, task=first, reason="tried")

    def stopped() -> Any:
        task = ecs.describe_tasks(cluster=service, tasks=[first])["tasks"][0]
        return task if task["lastStatus"] == "STOPPED" else None

    task = account.until(stopped)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "tried")
    account.until(lambda: running(account, service) and running(account, service) != [first])


def running(account: Account, name: str) -> list[str]:
    ecs = account.client("ecs")
    arns = ecs.list_tasks(cluster=name)["taskArns"]
    tasks = ecs.describe_tasks(cluster=name, tasks=arns)["tasks"] if arns else []
    return [task["taskArn"] for task in tasks if task["lastStatus"] == "RUNNING"]
