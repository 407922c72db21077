"""What a task definition and a service say, for tasks as processes: volumes, architecture, commands, ..."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from cloud_harness import ARCHITECTURE, CPU, LocalCloud, until

from tests.localcloud.ecs.cloud_harness import SUBNET_A, VPC

OTHER = {"amd64": ("arm64", "ARM64"), "arm64": ("amd64", "X86_64")}[ARCHITECTURE]


def _stopped(cloud: LocalCloud, definition: str) -> dict[str, Any]:
    described = cloud.run_task(definition)
    found: dict[str, Any] = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t)
    return found


def test_a_volume_is_a_private_folder(cloud: LocalCloud) -> None:
    definition = cloud.task_definition(
        cloud.push(),
        container={
            "readonlyRootFilesystem": True,
            "mountPoints": [
                {"sourceVolume": "scratch", "containerPath": "/scratch"},
                {"sourceVolume": "data", "containerPath": "/data"},
            ],
            "linuxParameters": {
                "capabilities": {"drop": ["ALL"]},
                "tmpfs": [{"containerPath": "/tmp", "size": 64}],
            },
            "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
        },
        more={"volumes": [{"name": "scratch"}, {"name": "data", "host": {}}]},
        FILE="/data/file", PLACE="/data", ELSEWHERE="/database",
    )  # fmt: skip
    cloud.service(definition, cloud.balancer(), count=1)
    cloud.stable(1)
    environment = json.loads(cloud.get("/env")[1])
    place = Path(environment["PLACE"])
    assert place.is_dir()
    assert place.is_relative_to(environment["HOME"])
    assert environment["FILE"] == f"{place}/file"
    assert environment["ELSEWHERE"] == "/database"
    assert environment["TMPDIR"].startswith(environment["HOME"])
    assert environment["TMPDIR"] != environment["PLACE"]
    described = cloud.client("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"]
    assert described["containerDefinitions"][0]["ulimits"][0]["hardLimit"] == 4096
    assert described["runtimePlatform"] == {"cpuArchitecture": CPU}
    cloud.client("ecs").update_service(cluster="c", service="s", desiredCount=0)
    until(lambda: not place.exists())


def test_a_volume_elsewhere_is_refused(cloud: LocalCloud) -> None:
    files = {"name": "files", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}
    stopped = _stopped(cloud, cloud.task_definition(cloud.push(), more={"volumes": [files]}))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "volume files is not scratch space" in stopped["stoppedReason"]


def test_architectures_that_differ_fail_as_on_fargate(cloud: LocalCloud) -> None:
    image, cpu = OTHER
    other = {"runtimePlatform": {"cpuArchitecture": cpu, "operatingSystemFamily": "LINUX"}}
    stopped = _stopped(cloud, cloud.task_definition(cloud.push(), more=other))
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert f"does not contain descriptor matching platform 'linux/{image}'" in stopped["stoppedReason"]
    foreign = cloud.push("foreign", architecture=image)
    stopped = _stopped(cloud, cloud.task_definition(foreign))
    assert f"matching platform 'linux/{ARCHITECTURE}'" in stopped["stoppedReason"]
    stopped = _stopped(cloud, cloud.task_definition(foreign, more=other))
    assert f"exec format error: the image is for linux/{image}" in stopped["stoppedReason"]


def test_of_an_index_the_image_for_the_task_is_taken(cloud: LocalCloud) -> None:
    images = {
        architecture: cloud.push("many", architecture=architecture)
        for architecture in (OTHER[0], ARCHITECTURE)
    }
    kind = "application/vnd.oci.image."

    def push_index(architecture: str) -> str:
        one = images[architecture]
        content = {
            "mediaType": f"{kind}manifest.v1+json", "digest": one.rpartition("@")[2], "size": 1,
            "platform": {"os": "linux", "architecture": architecture},
        }  # fmt: skip
        index = {"schemaVersion": 2, "mediaType": f"{kind}index.v1+json", "manifests": [content]}
        url = f"{cloud.url}/v2/many/manifests/index-{architecture}"
        requests.put(
            url, json.dumps(index), headers={"Content-Type": f"{kind}index.v1+json"}, timeout=30
        ).raise_for_status()
        return f"127.0.0.1:{cloud.port}/many:index-{architecture}"

    stopped = _stopped(cloud, cloud.task_definition(push_index(ARCHITECTURE), MODE="exits"))
    (container,) = stopped["containers"]
    assert container["exitCode"] == 7
    assert container["imageDigest"] == images[ARCHITECTURE].rpartition("@")[2]
    stopped = _stopped(cloud, cloud.task_definition(push_index(OTHER[0])))
    assert f"matching platform 'linux/{ARCHITECTURE}'" in stopped["stoppedReason"]
    assert f"the index has linux/{OTHER[0]}" in stopped["stoppedReason"]


def test_entry_point_and_command_replace_the_image_s(cloud: LocalCloud) -> None:
    image = cloud.push()
    script = ["-c", "import sys; sys.exit(int(sys.argv[1]))"]
    replaced = {"entryPoint": ["python3", *script], "command": ["5"]}
    stopped = _stopped(cloud, cloud.task_definition(image, container=replaced))
    assert [c["exitCode"] for c in stopped["containers"]] == [5]
    stopped = _stopped(cloud, cloud.task_definition(image, container={"command": ["ignored"]}, MODE="exits"))
    assert [c["exitCode"] for c in stopped["containers"]] == [7]


@pytest.mark.parametrize("check", [None, {"command": ["NONE"]}], ids=["no check", "a check that is none"])
def test_another_container_on_another_port(cloud: LocalCloud, check: dict[str, Any] | None) -> None:
    cloud.balancer()
    elb = cloud.client("elbv2")
    listener = elb.describe_listeners(
        LoadBalancerArn=elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    )["Listeners"][0]["ListenerArn"]
    group = elb.create_target_group(
        Name="other",
        Protocol="HTTP",
        Port=80,
        VpcId=VPC,
        TargetType="ip",
        HealthCheckPath="/any/path?x=1",
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_listener(ListenerArn=listener, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
    container: dict[str, Any] = {"name": "other", "portMappings": [{"containerPort": 9123}]}
    if check:
        container["healthCheck"] = check
    definition = cloud.task_definition(cloud.push(), container=container, PORT="9123", VERSION="other")
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.create_service(
        cluster="c", serviceName="s", taskDefinition=definition, desiredCount=1, launchType="FARGATE",
        loadBalancers=[{"targetGroupArn": group, "containerName": "other", "containerPort": 9123}],
        networkConfiguration={"awsvpcConfiguration": {"subnets": [SUBNET_A]}},
    )  # fmt: skip
    cloud.stable(1)
    assert cloud.get("/") == (200, b"other")


def test_tasks_say_which_capacity_provider_they_run_on(cloud: LocalCloud) -> None:
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    definition = cloud.task_definition(cloud.push())
    strategy = [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 0},
        {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1},
    ]
    monitoring = {"metricConfigurations": [{"metricNames": ["CPUUtilization"], "resolutionSeconds": 20}]}
    service = ecs.create_service(
        cluster="c", serviceName="s", taskDefinition=definition, desiredCount=3,
        capacityProviderStrategy=strategy, availabilityZoneRebalancing="DISABLED", enableExecuteCommand=True,
        monitoring=monitoring, networkConfiguration={"awsvpcConfiguration": {"subnets": [SUBNET_A]}},
    )["service"]  # fmt: skip
    assert service["capacityProviderStrategy"] == strategy
    assert service["availabilityZoneRebalancing"] == "DISABLED"
    cloud.stable(3)
    tasks = cloud.tasks()
    assert Counter(t["capacityProviderName"] for t in tasks) == {"FARGATE": 1, "FARGATE_SPOT": 2}
    assert {(t["launchType"], t["enableExecuteCommand"]) for t in tasks} == {("FARGATE", True)}
    revision = ecs.describe_service_revisions(
        serviceRevisionArns=[cloud.described()["currentServiceRevisions"][0]["arn"]]
    )["serviceRevisions"][0]
    assert revision["monitoring"] == monitoring
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="was not found"):
        ecs.update_service(
            cluster="c", service="s", capacityProviderStrategy=[{"capacityProvider": "MINE", "weight": 1}]
        )
