"""The project's own service in an environment of its own: three tasks in three zones of a fast cloud."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from tests.e2e.checkout import Checkout
from tests.e2e.traffic import Traffic

#: A minute passes in a second.
SPEED = "60"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")


def until(condition: Callable[[], Any], seconds: float = 90.0, told: Callable[[], Any] = lambda: "") -> Any:
    """The first true value of `condition`; fails after `seconds`, with what `told` says."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {told()}"
        time.sleep(0.05)
    return found


class Service:
    """The service from outside, through the API, and through the processes of its tasks."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        settings = "cloudformation/environments/local.toml"
        # A probe a second would keep the machine busy.
        checkout.edit(settings, "[parameters.probe]\n", '[parameters.probe]\nProbe = "off"\n')
        checkout.edit(settings, 'Egress = "endpoints"', 'Egress = "endpoints"\nZones = 3')
        # Nor may a look-up that takes long on a busy machine pass for a lost request.
        variables = "[container.environment]\n"
        checkout.edit(settings, variables, f'{variables}ECHO_STORE_TIMEOUT_SECONDS = "10"\n')
        # Bounds that scaling cannot leave: tasks come and go by what a test does.
        checkout.edit(settings, "GraceSeconds = 1", "GraceSeconds = 1\nMinTasks = 3\nMaxTasks = 3")
        told = checkout.succeed("make create ENV=local RUNTIME=process", LOCAL_SPEED=SPEED)
        exports = dict(line[7:].split("=", 1) for line in told.splitlines() if line.startswith("export "))
        self.url, self.token = exports["URL"], exports["TOKEN"]
        self.ecs, self.elb = self.client("ecs"), self.client("elbv2")
        self.cluster = self.ecs.list_clusters()["clusterArns"][0]
        self.name = self.ecs.list_services(cluster=self.cluster)["serviceArns"][0]
        # Nor does it bring a service back that a test has made smaller.
        self.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs", ScalableDimension="ecs:service:DesiredCount",
            ResourceId=self.name.split(":")[-1], MinCapacity=0, MaxCapacity=6,
            SuspendedState={"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": True,
                            "ScheduledScalingSuspended": True},
        )  # fmt: skip
        self.settled()

    def client(self, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=f"http://127.0.0.1:{self.checkout.gateway_port}", region_name="us-east-1",
            aws_access_key_id="local", aws_secret_access_key="local",
            config=Config(retries={"max_attempts": 0}),
        )  # fmt: skip

    def traffic(self) -> Traffic:
        return Traffic(self.url, self.token)

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster=self.cluster, services=[self.name])[
            "services"
        ][0]
        return found

    def events(self) -> str:
        return "\n".join(event["message"] for event in self.described()["events"][:25])

    def update(self, **more: Any) -> None:
        self.ecs.update_service(cluster=self.cluster, service=self.name, **more)

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The service's tasks whose desired status it is; scheduled ones come and go beside them."""
        arns = self.ecs.list_tasks(
            cluster=self.cluster, serviceName=self.name.rpartition("/")[2], desiredStatus=status
        )["taskArns"]
        found: list[dict[str, Any]] = []
        if arns:
            found = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        return found

    def task(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"][0]
        return found

    def zones(self) -> list[str]:
        """Of the tasks that run, in order."""
        return sorted(task["availabilityZone"] for task in self.tasks() if task["lastStatus"] == "RUNNING")

    def targets(self) -> dict[str, str]:
        """The state of each target by its address, in whichever group has any."""
        states: dict[str, str] = {}
        for group in self.elb.describe_target_groups()["TargetGroups"]:
            health = self.elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
            for one in health["TargetHealthDescriptions"]:
                states[one["Target"]["Id"]] = one["TargetHealth"]["State"]
        return states

    def settled(self, count: int = 3) -> None:
        """Wait until the service is as it should be: healthy, one deployment, nothing else on the way."""

        def check() -> bool:
            found = self.described()
            rollouts = [d["rolloutState"] for d in found["deployments"]]
            counts = {found["desiredCount"], found["runningCount"], count}
            healthy = list(self.targets().values()) == ["healthy"] * count
            return rollouts == ["COMPLETED"] and counts == {count} and healthy and len(self.tasks()) == count

        until(check, 120, lambda: f"{self.targets()}\n{self.events()}")

    def processes(self, task: dict[str, Any]) -> int:
        """The process group of a task."""
        records = self.checkout.root / ".state" / "localcloud" / "tasks"
        (record,) = records.glob(f"{task['taskArn'].rpartition('/')[2]}-*.json")
        return int(list(json.loads(record.read_text()))[1])

    def signal(self, task: dict[str, Any], number: signal.Signals) -> None:
        """Send a signal to every process of a task."""
        os.killpg(self.processes(task), number)

    @staticmethod
    def address(task: dict[str, Any]) -> str:
        details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
        return str(details["privateIPv4Address"])

    def drain_for(self, seconds: int) -> None:
        """How long targets that leave may go on with what they have begun."""
        for group in self.elb.describe_target_groups()["TargetGroups"]:
            self.elb.modify_target_group_attributes(
                TargetGroupArn=group["TargetGroupArn"],
                Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(seconds)}],
            )

    @contextmanager
    def attribute(self, key: str, value: str) -> Any:
        """Another value of a load balancer's attribute, for a while."""
        arn = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        given = self.elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        before = next(one["Value"] for one in given if one["Key"] == key)
        for each in (value, before):
            self.elb.modify_load_balancer_attributes(
                LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": each}]
            )
            if each is value:
                yield
