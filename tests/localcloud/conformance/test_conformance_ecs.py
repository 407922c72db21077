"""ECS: clusters, services, and tasks that end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.localcloud.conformance.conftest import Account, register


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


@pytest.mark.parametrize(
    ("unknown", "reason"),
    [
        ({"subnets": ["subnet-0f00d0f00d0f00d01"]},
         r"Error retrieving subnet information for \[subnet-0f00d0f00d0f00d01\]: .*InvalidSubnetID.NotFound"),
        ({"securityGroups": ["sg-0f00d0f00d0f00d01"]},
         r"Error retrieving security group information for \[sg-0f00d0f00d0f00d01\]: "
         r".*InvalidGroup.NotFound"),
    ],
    ids=["subnet", "security group"],
)  # fmt: skip
def test_tasks_get_no_network_that_does_not_exist(
    account: Account, service: str, network: tuple[str, list[str]], unknown: dict[str, list[str]], reason: str
) -> None:
    ecs = account.client("ecs")
    definition = ecs.describe_services(cluster=service, services=[service])["services"][0]["taskDefinition"]
    asked = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": network[1], **unknown}}}
    for request in (
        lambda: ecs.run_task(cluster=service, taskDefinition=definition, launchType="FARGATE", **asked),
        lambda: ecs.create_service(
            cluster=service, serviceName=f"{service}-2", taskDefinition=definition, desiredCount=0,
            launchType="FARGATE", **asked,
        ),
        lambda: ecs.update_service(cluster=service, service=service, **asked),
    ):  # fmt: skip
        with pytest.raises(ecs.exceptions.InvalidParameterException, match=reason):
            request()
    (kept,) = ecs.describe_services(cluster=service, services=[service])["services"]
    assert kept["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == network[1]


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


def test_a_deleted_cluster_is_inactive_for_a_while(account: Account, name: str) -> None:
    ecs = account.client("ecs")
    arn = ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"]
    ecs.delete_cluster(cluster=name)
    for reference in (name, arn):
        (found,) = ecs.describe_clusters(clusters=[reference])["clusters"]
        assert (found["clusterArn"], found["status"]) == (arn, "INACTIVE")
    assert arn not in ecs.list_clusters()["clusterArns"]
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.delete_cluster(cluster=name)
    ecs.create_cluster(clusterName=name)
    (found,) = ecs.describe_clusters(clusters=[name])["clusters"]
    assert found["status"] == "ACTIVE"
    ecs.delete_cluster(cluster=name)


@pytest.mark.costly_on_aws("runs a task on Fargate")
def test_neither_an_api_nor_a_stack_deletes_a_cluster_with_a_task(
    account: Account, name: str, network: tuple[str, list[str]]
) -> None:
    ecs = account.client("ecs")
    template = {"Resources": {"Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": name}}}}
    account.deploy(name, template)
    definition = account.local.task_definition(account.local.push(f"{name}/web"), VERSION="one")
    placed = {"awsvpcConfiguration": {"subnets": network[1]}}
    (task,) = ecs.run_task(
        cluster=name, taskDefinition=definition, launchType="FARGATE", networkConfiguration=placed
    )["tasks"]
    with pytest.raises(ecs.exceptions.ClusterContainsTasksException):
        ecs.delete_cluster(cluster=name)
    cloudformation = account.client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    stack = account.until(
        lambda: next(
            (
                found
                for found in cloudformation.describe_stacks(StackName=name)["Stacks"]
                if found["StackStatus"] == "DELETE_FAILED"
            ),
            None,
        )
    )
    assert "Cluster" in stack["StackStatusReason"]
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    assert any("ClusterContainsTasksException" in event.get("ResourceStatusReason", "") for event in events)
    ecs.stop_task(cluster=name, task=task["taskArn"])
    account.until(lambda: ecs.list_tasks(cluster=name)["taskArns"] == [])
    account.until(
        lambda: (
            ecs.describe_tasks(cluster=name, tasks=[task["taskArn"]])["tasks"][0]["lastStatus"] == "STOPPED"
        )
    )
    account.delete_stack(name)
    ecs.deregister_task_definition(taskDefinition=definition)


def test_service_deployments_come_in_pages_the_newest_first(account: Account, service: str) -> None:
    ecs = account.client("ecs")

    def at_rest() -> bool:
        (found,) = ecs.describe_services(cluster=service, services=[service])["services"]
        return [each["rolloutState"] for each in found["deployments"]] == ["COMPLETED"]

    account.until(at_rest)
    for _ in range(2):
        ecs.update_service(cluster=service, service=service, forceNewDeployment=True)
        account.until(at_rest)
    asked = {"cluster": service, "service": service}
    everything = ecs.list_service_deployments(**asked)
    assert "nextToken" not in everything
    listed = [each["serviceDeploymentArn"] for each in everything["serviceDeployments"]]
    begun = [each["createdAt"] for each in everything["serviceDeployments"]]
    assert (len(set(listed)), begun) == (3, sorted(begun, reverse=True))
    paged: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = ecs.list_service_deployments(**asked, maxResults=2, **more)
        paged += [each["serviceDeploymentArn"] for each in page["serviceDeployments"]]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert paged == listed
    for wrong in ({"maxResults": 101}, {"nextToken": "no token"}):
        with pytest.raises(ecs.exceptions.InvalidParameterException):
            ecs.list_service_deployments(**asked, **wrong)


@pytest.mark.costly_on_aws("runs a task on Fargate from an image of its own")
def test_a_revision_tells_the_images_of_its_containers(account: Account, service: str) -> None:
    ecs = account.client("ecs")
    image = account.local.push(f"{service}/web")
    definition = account.local.task_definition(image, VERSION="one")
    ecs.update_service(cluster=service, service=service, taskDefinition=definition, desiredCount=1)
    (arn,) = running_when(account, service)
    (task,) = ecs.describe_tasks(cluster=service, tasks=[arn])["tasks"]
    newest = ecs.list_service_deployments(cluster=service, service=service)["serviceDeployments"][0]
    (revision,) = ecs.describe_service_revisions(serviceRevisionArns=[newest["targetServiceRevisionArn"]])[
        "serviceRevisions"
    ]
    (container,) = task["containers"]
    assert container["imageDigest"].startswith("sha256:")
    assert revision["containerImages"] == [
        {"containerName": "web", "image": container["image"], "imageDigest": container["imageDigest"]}
    ]


@pytest.mark.costly_on_aws("runs tasks on Fargate from an image of its own")
def test_a_scaled_service_gets_steady_again(account: Account, service: str) -> None:
    ecs = account.client("ecs")
    definition = account.local.task_definition(account.local.push(f"{service}/web"), VERSION="one")
    ecs.update_service(cluster=service, service=service, taskDefinition=definition, desiredCount=1)

    def steady() -> int:
        (found,) = ecs.describe_services(cluster=service, services=[service])["services"]
        return sum("has reached a steady state" in event["message"] for event in found["events"])

    running_when(account, service)
    account.until(steady)
    for count in (2, 1):
        before = steady()
        ecs.update_service(cluster=service, service=service, desiredCount=count)
        account.until(lambda before=before: steady() == before + 1)
        assert len(running(account, service)) == count


def running_when(account: Account, name: str) -> list[str]:
    """The tasks, once the newest deployment has completed."""
    ecs = account.client("ecs")

    def completed() -> Any:
        (found,) = ecs.describe_services(cluster=name, services=[name])["services"]
        states = [each["rolloutState"] for each in found["deployments"]]
        return states == ["COMPLETED"] and running(account, name)

    found: list[str] = account.until(completed)
    return found


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
