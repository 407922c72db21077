"""The project's own templates, all four, through change sets: created, changed, broken, and deleted."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from localcloud import resources, schemas

TEMPLATES = Path(__file__).resolve().parents[2] / "cloudformation"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def template(name: str) -> str:
    return (TEMPLATES / f"{name}.yaml").read_text()


class Environment:
    """The four stacks of one environment."""

    def __init__(self, cloud: Any, name: str) -> None:
        self.cloud, self.name, self.values = cloud, name, {"Egress": "public", "HttpPort": str(free_port())}
        self.values |= {
            "DeletionProtection": "false",
            "DeregistrationDelay": "1",
            "GraceSeconds": "1",
            "ClientCidr": "127.0.0.0/8",
        }

    def deploy(self, stack: str, kind: str = "CREATE", **values: str) -> dict[str, Any]:
        made = self.cloud.execute(self.change_set(stack, kind, **values))
        self.values |= (
            outputs(made) if made["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")) else {}
        )
        return made

    def change_set(self, stack: str, kind: str, **values: str) -> Any:
        body = template(stack)
        parameters = (
            body.partition("\nParameters:\n")[2].partition("\nConditions:")[0].partition("\nResources:")[0]
        )
        known = set(re.findall(r"^  (\w+):$", parameters, re.MULTILINE))
        chosen = {key: value for key, value in {**self.values, **values}.items() if key in known}
        return self.cloud.change_set(f"{self.name}-{stack}", body, kind, parameters=chosen)


@pytest.mark.timeout(240)
def test_the_four_stacks_are_created_changed_rolled_back_and_deleted(shared_cloud: Any) -> None:
    here = Environment(shared_cloud, "whole")
    for stack in ("registry", "network", "data"):
        assert here.deploy(stack)["StackStatus"] == "CREATE_COMPLETE"
    repository = here.values["RepositoryName"]

    def image(tag: str, **environment: str) -> str:
        return f"{here.values['RepositoryUri']}@{shared_cloud.push(repository, tag, **environment)}"

    made = here.deploy("service", Image=image("one", VERSION="one"), MinTasks="2")
    assert made["StackStatus"] == "CREATE_COMPLETE", shared_cloud.failures(made["StackName"])
    url = outputs(made)["Url"]
    assert requests.get(url, timeout=5).text == "one"

    # Scaling's lower bound raised the desired count that the template leaves out.
    ecs = shared_cloud.client("ecs")
    cluster, service = here.values["ClusterName"], here.values["ServiceName"]
    assert ecs.describe_services(cluster=cluster, services=[service])["services"][0]["desiredCount"] == 2
    scaling = shared_cloud.client("application-autoscaling")
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (target["ResourceId"], target["MinCapacity"]) == (f"service/{cluster}/{service}", 2)
    policy = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"][0]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] > 0

    definition = ecs.describe_task_definition(taskDefinition=service_definition(ecs, cluster, service))[
        "taskDefinition"
    ]
    container = definition["containerDefinitions"][0]
    assert container["stopTimeout"] == 110
    assert container["healthCheck"]["command"][0] == "CMD"
    assert container["logConfiguration"]["options"]["awslogs-group"] == here.values["LogGroupName"]

    # Only the image changes: the task definition is replaced, the service is not.
    changed = here.change_set("service", "UPDATE", Image=image("two", VERSION="two"), MinTasks="2")
    found = {
        change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"]
        for change in changed["Changes"]
    }
    assert found["TaskDefinition"]["Replacement"] == "True"
    assert found["Service"]["Replacement"] == "False"
    # What reads an attribute of the service is listed as well, as on AWS: it may change, and does not.
    assert set(found) - {"TaskDefinition", "Service"} <= {"ScalableTarget", "CpuScaling"}
    paths = {detail["Target"]["Path"]: detail["Target"] for detail in found["TaskDefinition"]["Details"]}
    assert "/Properties/ContainerDefinitions/0/Image" in paths
    assert (
        paths["/Properties/ContainerDefinitions/0/Image"]["BeforeValue"]
        != paths["/Properties/ContainerDefinitions/0/Image"]["AfterValue"]
    )
    assert shared_cloud.execute(changed)["StackStatus"] == "UPDATE_COMPLETE"
    assert requests.get(url, timeout=5).text == "two"

    # A task that never runs: the circuit breaker's reason fails the stack, which goes back.
    broken = here.deploy("service", "UPDATE", Image=image("three", BREAK="yes"), MinTasks="2")
    assert broken["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    failures = shared_cloud.failures(broken["StackName"])
    assert failures[0][:2] == ("Service", "UPDATE_FAILED")
    assert "ECS Deployment Circuit Breaker was triggered" in failures[0][2]
    assert requests.get(url, timeout=5).text == "two"

    assert shared_cloud.delete("whole-service")["StackStatus"] == "DELETE_COMPLETE"
    assert ecs.list_tasks(cluster=cluster)["taskArns"] == [] if ecs.list_clusters()["clusterArns"] else True
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
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


@pytest.mark.parametrize("egress", ["endpoints", "nat", "public"])
def test_every_way_out_of_the_network_can_be_made(shared_cloud: Any, egress: str) -> None:
    made = shared_cloud.deploy(f"network-{egress}", template("network"), parameters={"Egress": egress})
    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert shared_cloud.delete(f"network-{egress}")["StackStatus"] == "DELETE_COMPLETE"


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
