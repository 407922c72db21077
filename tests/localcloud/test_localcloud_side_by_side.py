"""Two checkouts at once: clouds with the same names in them, each on ports and in a directory of its own."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from tests.localcloud.ecs.cloud_harness import LocalCloud


def test_two_clouds_do_not_know_of_each_other(tmp_path: Path) -> None:
    first, second = (LocalCloud(tmp_path / name / "state") for name in ("first", "second"))
    with ExitStack() as ended:
        for cloud, version in ((first, "one"), (second, "two")):
            ended.callback(cloud.down)
            cloud.up()
            cloud.service(cloud.task_definition(cloud.push(), VERSION=version), cloud.balancer(), count=1)
        for cloud in (first, second):
            cloud.stable(1)
        assert [cloud.get("/") for cloud in (first, second)] == [(200, b"one"), (200, b"two")]
        found = [json.loads(cloud.command("status", "--json").stdout) for cloud in (first, second)]
        assert found[0]["pid"] != found[1]["pid"]
        assert [[row["port"] for row in each["listeners"]] for each in found] == [[first.http], [second.http]]
        tasks = [{row["task"] for row in each["tasks"]} for each in found]
        assert [len(each) for each in tasks] == [1, 1]
        assert not tasks[0] & tasks[1]

        # What ends one, by force or not, leaves the other's tasks alone; so does its next start.
        first.kill()
        assert second.get("/") == (200, b"two")
        first.up()
        first.down()
        assert first.processes() == []
        assert second.get("/") == (200, b"two")
        assert json.loads(second.command("status", "--json").stdout)["tasks"] == found[1]["tasks"]
