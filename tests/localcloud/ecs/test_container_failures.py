"""Tasks as containers: their limits as seen from within, and what becomes of one that is killed or hangs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloud_harness import SERVICE, LocalCloud, until

pytestmark = pytest.mark.engine

#: Ends with 0 where the limits are these: memory in bytes, processors (control groups, version 2 or 1), and a
#: root that cannot be written to.
LIMITS = """
import errno, pathlib, sys
def read(*names):
    return next(p.read_text() for n in names if (p := pathlib.Path("/sys/fs/cgroup", n)).exists())
memory = int(read("memory.max", "memory/memory.limit_in_bytes"))
quota, period = (read("cpu.max").split() if pathlib.Path("/sys/fs/cgroup/cpu.max").exists()
                 else (read("cpu/cpu.cfs_quota_us"), read("cpu/cpu.cfs_period_us")))
try:
    open("/written", "w")
    written = 0
except OSError as exc:
    written = exc.errno
found = memory, int(quota) / int(period), written
print(found, flush=True)
sys.exit(0 if found == (200 << 20, 0.5, errno.EROFS) else 1)
"""


def test_what_is_limited_is_limited(cloud: LocalCloud, image: str) -> None:
    # As root, whom only a read-only file system keeps from writing there.
    container = {
        "entryPoint": ["python3", "-c"], "command": [LIMITS], "user": "0:0", "memory": 200,
        "readonlyRootFilesystem": True,
    }  # fmt: skip
    described = cloud.run_task(cloud.task_definition(image, container=container))
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t, 90)
    assert stopped["containers"][0]["exitCode"] == 0


@pytest.mark.parametrize("how", ["kill", "pause"])
def test_a_container_that_is_killed_or_hangs_is_replaced(
    cloud: LocalCloud, engine: Any, image: str, how: str
) -> None:
    container = {
        "entryPoint": ["python3", "-c"], "command": [SERVICE], "user": "10001:10001", "stopTimeout": 2
    }  # fmt: skip
    environment = {"LISTEN": "0.0.0.0", "PORT": "8080", "VERSION": "one"}
    definition = cloud.task_definition(image, container=container, **environment)
    cloud.service(definition, cloud.balancer(), count=2, grace=0)
    cloud.stable(2, seconds=90)
    first = cloud.tasks()[0]
    getattr(engine.containers.get(first["containers"][0]["runtimeId"]), how)()

    def ended() -> Any:
        found = [task for task in cloud.tasks("STOPPED") if task["taskArn"] == first["taskArn"]]
        return found if found and found[0]["lastStatus"] == "STOPPED" else None

    (stopped,) = until(ended, 90)
    reason = {"kill": "Essential container in task exited", "pause": "Task failed ELB health checks"}[how]
    assert stopped["stoppedReason"].startswith(reason)
    # The engine resumes one that is paused to stop it, so it leaves by itself.
    assert stopped["containers"][0]["exitCode"] == {"kill": 137, "pause": 0}[how]
    cloud.stable(2, seconds=90)
    assert cloud.get("/") == (200, b"one")
    identity = json.loads((cloud.state / "cloud.json").read_text())["id"]
    label = {"label": f"io.echo-room.localcloud={identity}"}
    # Two tasks and the relay: nothing of the one that is gone.
    until(lambda: len(engine.containers.list(all=True, filters=label, ignore_removed=True)) == 3)
