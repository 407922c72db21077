"""A service behind a rule with two target groups, and what is seen of it from outside."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloud_harness import LocalCloud, until

from tests.localcloud.ecs.cloud_harness import SUBNET_A, VPC

BREAKER = {"enable": True, "rollback": True, "thresholdConfiguration": {"type": "COUNT", "value": 1}}


class Shifting:
    """The service `s`, whose production rule divides requests among the groups `blue` and `green`."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        elb = cloud.client("elbv2")
        self.blue = cloud.balancer()
        listener = elb.describe_listeners(
            LoadBalancerArn=elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        )["Listeners"][0]["ListenerArn"]
        self.green: str = elb.create_target_group(
            Name="tg2", Protocol="HTTP", Port=8080, VpcId=VPC, TargetType="ip", HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        elb.modify_target_group_attributes(
            TargetGroupArn=self.green,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
        )
        elb.modify_listener(
            ListenerArn=listener,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )
        self.rule = self._rule(listener, 2, "/*", self.blue, self.green)
        self.test_rule = self._rule(listener, 1, "/next/*", self.blue, self.green)

    def _rule(self, listener: str, priority: int, path: str, all_of_it: str, nothing: str) -> str:
        groups = [{"TargetGroupArn": all_of_it, "Weight": 100}, {"TargetGroupArn": nothing, "Weight": 0}]
        arn: str = self.cloud.client("elbv2").create_rule(
            ListenerArn=listener, Priority=priority, Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        )["Rules"][0]["RuleArn"]  # fmt: skip
        return arn

    def balancers(self) -> list[dict[str, Any]]:
        advanced = {
            "alternateTargetGroupArn": self.green, "productionListenerRule": self.rule,
            "testListenerRule": self.test_rule, "roleArn": "arn:aws:iam::000000000000:role/ecs",
        }  # fmt: skip
        return [
            {
                "targetGroupArn": self.blue, "containerName": "web", "containerPort": 8080,
                "advancedConfiguration": advanced,
            }
        ]  # fmt: skip

    def create(self, definition: str, count: int = 1, **config: Any) -> None:
        ecs = self.cloud.client("ecs")
        ecs.create_cluster(clusterName="c")
        ecs.create_service(
            cluster="c", serviceName="s", taskDefinition=definition, desiredCount=count, launchType="FARGATE",
            loadBalancers=self.balancers(), deploymentConfiguration=config,
            networkConfiguration={"awsvpcConfiguration": {"subnets": [SUBNET_A]}},
        )  # fmt: skip
        self.cloud.stable(count)

    def update(self, definition: str, **more: Any) -> None:
        self.cloud.client("ecs").update_service(cluster="c", service="s", taskDefinition=definition, **more)

    def weights(self, rule: str = "") -> tuple[int, int]:
        """Of blue and of green, as DescribeRules has them."""
        found = self.cloud.client("elbv2").describe_rules(RuleArns=[rule or self.rule])["Rules"][0]
        groups = found["Actions"][0]["ForwardConfig"]["TargetGroups"]
        by_arn = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        return by_arn[self.blue], by_arn[self.green]

    def stage(self) -> str:
        """Of the newest service deployment."""
        return str(self.last().get("lifecycleStage"))

    def last(self) -> dict[str, Any]:
        """The newest service deployment in full."""
        ecs = self.cloud.client("ecs")
        arn = ecs.list_service_deployments(cluster="c", service="s")["serviceDeployments"][0]
        found: dict[str, Any] = ecs.describe_service_deployments(
            serviceDeploymentArns=[arn["serviceDeploymentArn"]]
        )["serviceDeployments"][0]
        return found

    def at(self, stage: str) -> None:
        until(lambda: self.stage() == stage)

    def answers(self, path: str = "/") -> bytes:
        status, body = self.cloud.get(path)
        assert status == 200
        return body


@contextmanager
def asking(cloud: LocalCloud, threads: int = 3) -> Iterator[list[tuple[int, bytes]]]:
    """Ask all the time, some requests taking long; what was answered."""
    found: list[tuple[int, bytes]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set() and len(found) < 6000:
            found.append(cloud.get("/slow" if len(found) % 100 == 50 else "/"))
            time.sleep(0.005)

    running = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in running:
            thread.join()
