"""The project's own service template under load: more tasks, and fewer again, without a failed request."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.localcloud.conftest import ROOT, Cloud
from tests.localcloud.ecs.cloud_harness import until
from tests.localcloud.stacks_harness import Environment

#: A minute passes in half a second.
SPEED = "120"


class FastCloud(Cloud):
    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, "-m", "localcloud", *arguments,
             "--endpoint", self.url, "--state-dir", str(self.state_dir)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LOCAL_SPEED": SPEED},
        )  # fmt: skip
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result


class Load:
    """A bounded number of requests a second, one after the other; what was not answered well."""

    def __init__(self, url: str) -> None:
        self.url, self.pause = url, 0.0
        self.failed: list[Any] = []
        self.answered = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._done.wait(self.pause):
            try:
                answer = requests.get(self.url, timeout=20)
                if answer.status_code != 200:
                    self.failed.append(answer.status_code)
                self.answered += 1
            except requests.RequestException as exc:
                self.failed.append(exc)


@pytest.fixture
def fast_cloud(tmp_path: Path) -> Iterator[Cloud]:
    found = FastCloud(tmp_path / "state")
    found.run("up")
    yield found
    found.run("down")


@pytest.mark.timeout(240)
def test_the_service_follows_its_load_out_and_in(fast_cloud: Cloud) -> None:
    here = Environment(fast_cloud)
    for stack in ("registry", "data", "network"):
        here.put(stack)
    # Some forty requests a second are ten per task in the half second that is a minute.
    here.put("service", Image=here.image("one"), MinTasks="2", MaxTasks="4", TargetRequests="3")
    ecs, scaling = fast_cloud.client("ecs"), fast_cloud.client("application-autoscaling")
    cluster, service = here.outputs["ClusterName"], here.outputs["ServiceName"]

    def counts() -> tuple[int, int]:
        found = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
        return found["desiredCount"], found["runningCount"]

    def activities() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = scaling.describe_scaling_activities(ServiceNamespace="ecs")[
            "ScalingActivities"
        ]
        return found

    assert counts() == (2, 2)
    with Load(here.outputs["Url"]) as load:
        load.pause = 0.02
        until(lambda: counts() == (4, 4), 60)
        assert any("-AlarmHigh-" in activity["Cause"] for activity in activities())
        load.pause = 1.0
        until(lambda: counts() == (2, 2), 90)
        newest = activities()[0]
        assert newest["Description"] == "Setting desired count to 2."
        assert "-AlarmLow-" in newest["Cause"]
    assert load.answered > 0
    assert load.failed == []
    assert fast_cloud.delete("service")["StackStatus"] == "DELETE_COMPLETE"
    left = fast_cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")
    assert left["MetricAlarms"] == []
