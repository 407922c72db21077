"""The task metadata endpoint, version 4, asked from within a task."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from cloud_harness import LocalCloud, until

from tests.localcloud.ecs.cloud_harness import SUBNET_A


def test_a_task_learns_about_itself(cloud: LocalCloud) -> None:
    check = {"command": ["CMD", "python3", "-c", "pass"], "interval": 5, "startPeriod": 5}
    container = {"healthCheck": check, "memory": 300, "dockerLabels": {"of": "a test"}}
    definition = cloud.task_definition(cloud.push(), container=container)
    group, ecs = cloud.balancer(), cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.create_service(
        cluster="c", serviceName="s", taskDefinition=definition, desiredCount=1, launchType="FARGATE",
        loadBalancers=[{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}],
        networkConfiguration={"awsvpcConfiguration": {"subnets": [SUBNET_A]}},
        propagateTags="SERVICE", tags=[{"key": "team", "value": "blue"}],
    )  # fmt: skip
    cloud.stable(1)
    (described,) = cloud.tasks()

    def asked(path: str) -> dict[str, Any]:
        status, body = cloud.get(f"/metadata{path}")
        assert status == 200
        found: dict[str, Any] = json.loads(body)
        return found

    task, own = asked("/task"), asked("/")
    assert (task["TaskARN"], task["Cluster"]) == (described["taskArn"], described["clusterArn"])
    assert (task["Family"], task["ServiceName"], task["LaunchType"]) == ("tiny", "s", "FARGATE")
    assert (task["DesiredStatus"], task["KnownStatus"]) == ("RUNNING", "RUNNING")
    assert task["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert task["AvailabilityZone"] == described["availabilityZone"]
    assert "TaskTags" not in task
    assert task["Containers"] == [own]
    assert asked("/taskWithTags")["TaskTags"] == {"team": "blue"}
    shown = described["containers"][0]
    assert (own["Name"], own["ContainerARN"]) == ("web", shown["containerArn"])
    assert (own["ImageID"], own["DockerId"]) == (shown["imageDigest"], shown["runtimeId"])
    assert own["Labels"]["of"] == "a test"
    assert (own["Limits"], own["LogDriver"]) == ({"Memory": 300}, "awslogs")
    address = next(d["value"] for d in described["attachments"][0]["details"] if "privateIPv4" in d["name"])
    assert own["Networks"] == [{"NetworkMode": "awsvpc", "IPv4Addresses": [address]}]
    until(lambda: asked("/")["Health"] == {"status": "HEALTHY"})
    stats = asked("/stats")
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert 1_000_000 < stats["memory_stats"]["usage"] < stats["memory_stats"]["limit"] == 512 * 1024 * 1024
    assert asked("/task/stats").keys() == {own["DockerId"]}


def test_nobody_else_learns_about_it(cloud: LocalCloud) -> None:
    described = cloud.run_task(cloud.task_definition(cloud.push()))
    until(lambda: described()["lastStatus"] == "RUNNING")
    for path in ("/v4/", "/v4/0123456789abcdef", "/v4/0123456789abcdef/task"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{cloud.url}{path}", timeout=30)
