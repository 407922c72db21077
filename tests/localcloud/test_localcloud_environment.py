"""The project's own templates through change sets: created, changed, broken, and deleted."""

import re
from typing import Any

import pytest
import requests

from localcloud import resources, schemas
from tests.localcloud.conftest import TEMPLATES
from tests.localcloud.stacks_harness import Environment


@pytest.mark.timeout(240)
def test_the_stacks_are_created_changed_rolled_back_and_deleted(shared_cloud: Any) -> None:
    here = Environment(shared_cloud, "whole-")
    for stack in ("registry", "data", "network"):
        here.put(stack)
    repository = here.outputs["RepositoryName"]
    here.put("service", Image=here.image("one"), MinTasks="2")
    url = here.outputs["Url"]
    assert requests.get(url, timeout=30).text == "one"

    # Scaling's lower bound raised the desired count that the template leaves out.
    ecs = shared_cloud.client("ecs")
    cluster, service = here.outputs["ClusterName"], here.outputs["ServiceName"]
    assert ecs.describe_services(cluster=cluster, services=[service])["services"][0]["desiredCount"] == 2
    scaling = shared_cloud.client("application-autoscaling")
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (target["ResourceId"], target["MinCapacity"]) == (f"service/{cluster}/{service}", 2)
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert {policy["PolicyType"] for policy in policies} == {"TargetTrackingScaling", "StepScaling"}

    definition = ecs.describe_task_definition(taskDefinition=service_definition(ecs, cluster, service))[
        "taskDefinition"
    ]
    container = definition["containerDefinitions"][0]
    assert container["stopTimeout"] == 110
    assert container["healthCheck"]["command"][0] == "CMD"
    assert container["logConfiguration"]["options"]["awslogs-group"] == here.outputs["LogGroupName"]

    # Only the image changes: the task definition is replaced, the service is not.
    changed = here.change_set("service", Image=here.image("two"))
    found = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]
        for change in changed["Changes"]
    }
    assert found["TaskDefinition"]["Replacement"] == "True"
    assert found["Service"]["Replacement"] == "False"
    # What reads an attribute of the service is listed as well, as on AWS: it may change, and does not.
    reading = {"ScalableTarget", "CpuScaling", "RequestScaling", "LatencyScaling", "LatencyAlarm"}
    assert set(found) - {"TaskDefinition", "Service"} <= reading
    paths = {detail["Target"]["Path"]: detail["Target"] for detail in found["TaskDefinition"]["Details"]}
    assert "/Properties/ContainerDefinitions/0/Image" in paths
    assert (
        paths["/Properties/ContainerDefinitions/0/Image"]["BeforeValue"]
        != paths["/Properties/ContainerDefinitions/0/Image"]["AfterValue"]
    )
    assert shared_cloud.execute(changed)["StackStatus"] == "UPDATE_COMPLETE"
    assert requests.get(url, timeout=30).text == "two"

    # A task that never runs: the circuit breaker's reason fails the stack, which goes back.
    broken = shared_cloud.execute(here.change_set("service", Image=here.image("three", BREAK="yes")))
    assert broken["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    failures = shared_cloud.failures(broken["StackName"])
    assert failures[0][:2] == ("Service", "UPDATE_FAILED")
    assert "ECS Deployment Circuit Breaker was triggered" in failures[0][2]
    assert requests.get(url, timeout=30).text == "two"

    assert shared_cloud.delete("whole-service")["StackStatus"] == "DELETE_COMPLETE"
    assert ecs.list_tasks(cluster=cluster)["taskArns"] == [] if ecs.list_clusters()["clusterArns"] else True
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=30)
    # A repository with images in it does not go, as on AWS; an emptied one does.
    assert shared_cloud.delete("whole-registry")["StackStatus"] == "DELETE_FAILED"
    ecr = shared_cloud.client("ecr")
    identities = [
        {"imageDigest": i["imageDigest"]}
        for i in ecr.describe_images(repositoryName=repository)["imageDetails"]
    ]
    ecr.batch_delete_image(repositoryName=repository, imageIds=identities)
    assert shared_cloud.delete("whole-registry")["StackStatus"] == "DELETE_COMPLETE"
    assert shared_cloud.delete("whole-network")["StackStatus"] == "DELETE_COMPLETE"


def service_definition(ecs: Any, cluster: str, service: str) -> str:
    return str(ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"])


def test_the_types_made_here_exist_on_aws() -> None:
    assert [name for name in resources.provisioners() if schemas.schema(name) is None] == []


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_resource_type_of_the_templates_is_known(shared_cloud: Any, path: Any) -> None:
    """Whatever the conditions say: every type is either MiniStack's or made here."""
    types = sorted(
        set(
            re.findall(r"^    Type: (AWS::\S+)$", path.read_text().partition("\nResources:")[2], re.MULTILINE)
        )
    )
    assert types
    body = {"Resources": {f"R{number}": {"Type": name} for number, name in enumerate(types)}}
    shared_cloud.change_set(f"types-{path.stem}", body)


def test_numbers_and_booleans_get_the_type_of_their_schema() -> None:
    given = {
        "DesiredCount": "2",
        "EnableExecuteCommand": "true",
        "ServiceName": 7,
        "LoadBalancers": [{"ContainerPort": "80"}],
    }
    assert schemas.coerced("AWS::ECS::Service", given) == {
        "DesiredCount": 2, "EnableExecuteCommand": True, "ServiceName": "7",
        "LoadBalancers": [{"ContainerPort": 80}],
    }  # fmt: skip


def test_recreation_is_what_the_schemas_say() -> None:
    assert schemas.recreation("AWS::ECS::TaskDefinition", "ContainerDefinitions") == "Always"
    assert schemas.recreation("AWS::ECS::Service", "TaskDefinition") == "Never"
    assert schemas.recreation("AWS::ECS::Service", "LaunchType") == "Conditionally"
    assert schemas.recreation("AWS::No::Type", "X") is None
