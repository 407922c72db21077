"""What bounds a service: its percentages during a deployment, and the grace period of its new tasks."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

from cloud_harness import LocalCloud, until

from tests.localcloud.ecs.shifting_harness import asking

STEP = re.compile(r"has (started|stopped) (\d+) ")


def test_a_deployment_stays_within_its_percentages(cloud: LocalCloud) -> None:
    image, ecs = cloud.push(), cloud.client("ecs")
    cloud.service(cloud.task_definition(image, VERSION="0"), cloud.balancer(), count=2)
    cloud.stable(2)
    for version, least, most, bound in (("1", 50, 100, 2), ("2", 100, 150, 3)):
        config = {"minimumHealthyPercent": least, "maximumPercent": most}
        definition = cloud.task_definition(image, VERSION=version)

        def done() -> Any:
            deployments = cloud.described()["deployments"]
            return [d["rolloutState"] for d in deployments] == ["COMPLETED"]

        known = len(cloud.described()["events"])
        with asking(cloud, threads=1) as answers:
            ecs.update_service(
                cluster="c", service="s", taskDefinition=definition, deploymentConfiguration=config
            )
            until(done, 60)
        # As the service tells it, in order: looks may miss the moment, and times of tasks are whole seconds.
        told = [event["message"] for event in reversed(cloud.described()["events"])][known:]
        steps = STEP.findall("\n".join(told))
        counts = accumulate((int(n) if what == "started" else -int(n) for what, n in steps), initial=2)
        assert max(counts) == bound
        assert {status for status, _ in answers} == {200}
        assert cloud.get("/") == (200, version.encode())


def test_an_unhealthy_task_is_left_alone_during_the_grace_period(cloud: LocalCloud) -> None:
    group, ecs = cloud.balancer(), cloud.client("ecs")
    cloud.service(cloud.task_definition(cloud.push(), MODE="unhealthy"), group, count=1, grace=3600)

    def state() -> Any:
        found = cloud.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return found and found[0]["TargetHealth"]["State"]

    until(lambda: state() == "unhealthy", 60)
    (task,) = cloud.tasks()
    assert (task["desiredStatus"], task["lastStatus"]) == ("RUNNING", "RUNNING")
    ecs.update_service(cluster="c", service="s", healthCheckGracePeriodSeconds=0)
    until(lambda: task["taskArn"] in {t["taskArn"] for t in cloud.tasks("STOPPED")}, 60)
