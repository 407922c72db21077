"""ECS: task definitions, services, and tasks that end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import Account, register


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


@pytest.mark.differs_locally("any size is taken")
def test_sizes_that_fargate_does_not_have_are_refused(
    account: Account, name: str, cleanup: ExitStack
) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ClientException, match="No Fargate configuration exists"):
        register(account, cleanup, name, cpu="256", memory="8192")


def test_what_is_missing_is_a_failure_and_not_an_error(account: Account, cluster: str) -> None:
    found = account.client("ecs").describe_services(cluster=cluster, services=["none"])
    assert found["services"] == []
    assert [failure["reason"] for failure in found["failures"]] == ["MISSING"]


def test_a_service_that_is_not_there(account: Account, cluster: str) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ServiceNotFoundException):
        ecs.update_service(cluster=cluster, service="none", desiredCount=1)


@pytest.mark.differs_locally("a cluster that is not there has no tasks")
def test_a_cluster_that_is_not_there(account: Account, name: str) -> None:
    ecs = account.client("ecs")
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.list_tasks(cluster=f"{name}-none")


@pytest.mark.differs_locally("it is deleted with its services")
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
