"""The project's own service template under load: more tasks, and fewer again, without a failed request."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.localcloud.conftest import Cloud
from tests.localcloud.ecs.cloud_harness import until
from tests.localcloud.stacks_harness import Environment

#: A minute passes in two seconds, in which a busy machine too answers more than a hundred requests.
SPEED = 30


class Load:
    """Clients that keep their connections and ask one after the other, `pause` seconds apart, for `path`.

    `failed` has what was not answered well.
    """

    def __init__(self, url: str, clients: int = 12) -> None:
        self.host, self.pause, self.path = urlsplit(url).netloc, 0.0, "/slow"
        self.failed: list[Any] = []
        self.answered = 0
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        while not self._done.wait(self.pause):
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(answer.status)
                self.answered += 1
            except (OSError, http.client.HTTPException) as exc:
                self.failed.append(exc)
                connection.close()
        connection.close()


@pytest.fixture
def fast_cloud(tmp_path: Path) -> Iterator[Cloud]:
    found = Cloud(tmp_path / "state", speed=SPEED)
    found.run("up")
    yield found
    found.end()


@pytest.mark.timeout(300)
def test_the_service_follows_its_load_out_and_in(fast_cloud: Cloud) -> None:
    here = Environment(fast_cloud)
    for stack in ("registry", "data", "network"):
        here.put(stack)
    # More than a hundred requests a minute: fewer say nothing of the 99th percentile.
    here.put("service", Image=here.image("one"), MinTasks="2", MaxTasks="6", TargetRequests="10")
    ecs, scaling = fast_cloud.client("ecs"), fast_cloud.client("application-autoscaling")
    cluster, service = here.outputs["ClusterName"], here.outputs["ServiceName"]
    latency: str = fast_cloud.client("cloudformation").describe_stack_resource(
        StackName="service", LogicalResourceId="LatencyAlarm"
    )["StackResourceDetail"]["PhysicalResourceId"]

    def counts() -> tuple[int, int]:
        found = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
        return found["desiredCount"], found["runningCount"]

    def causes() -> str:
        found = scaling.describe_scaling_activities(ServiceNamespace="ecs", IncludeNotScaledActivities=True)[
            "ScalingActivities"
        ]
        return "\n".join(f"{activity['Description']} {activity['Cause']}" for activity in found)

    def slow() -> str:
        found = fast_cloud.client("cloudwatch").describe_alarms(AlarmNames=[latency])["MetricAlarms"][0]
        return str(found["StateValue"])

    assert counts() == (2, 2)
    with Load(here.outputs["Url"]) as load:
        until(lambda: slow() == "ALARM", 90)
        until(lambda: counts() == (6, 6), 90)
        # Both ask for more: too many requests for a task, and answers that take too long.
        until(lambda: f"monitor alarm {latency} in state ALARM triggered policy latency" in causes(), 90)
        assert "-AlarmHigh-" in causes()
        load.path, load.pause = "/", 2.0
        until(lambda: slow() == "OK", 90)
        until(lambda: counts() == (2, 2), 120)
        assert "-AlarmLow-" in causes()
        assert "Setting desired count to 2." in causes()
    assert load.answered > 0
    assert load.failed == []
    assert fast_cloud.delete("service")["StackStatus"] == "DELETE_COMPLETE"
    left = fast_cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")
    assert left["MetricAlarms"] == []
