"""`python -m localcloud status`: what runs where, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.ecs.cloud_harness import LocalCloud, until


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    found = LocalCloud(tmp_path / "state")
    found.up()
    yield found
    found.end()


def test_an_empty_cloud_has_nothing_to_list(cloud: LocalCloud) -> None:
    found = json.loads(cloud.command("status", "--json").stdout)
    assert [found[kind] for kind in ("listeners", "services", "tasks", "target_groups")] == [[]] * 4
    assert found["alarms"] == {"ALARM": [], "INSUFFICIENT_DATA": [], "OK": []}
    assert "Task" not in cloud.command("status").stdout


def test_what_runs_is_told_with_its_ports_health_and_alarms(cloud: LocalCloud) -> None:
    cloud.service(cloud.task_definition(cloud.push(), VERSION="one"), cloud.balancer())
    cloud.stable()
    alarms = cloud.client("cloudwatch")
    for name in ("calm", "loud"):
        alarms.put_metric_alarm(
            AlarmName=name, Namespace="N", MetricName="M", Period=60, EvaluationPeriods=1, Threshold=1,
            Statistic="Sum", ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    alarms.set_alarm_state(AlarmName="loud", StateValue="ALARM", StateReason="tried")

    found = json.loads(cloud.command("status", "--json").stdout)
    listener = {"region": "us-east-1", "load_balancer": "lb", "protocol": "HTTP", "web_acl": None}
    assert found["listeners"] == [{**listener, "address": "127.0.0.1", "port": cloud.http}]
    (service,) = found["services"]
    assert (service["service"], service["cluster"], service["rollout"]) == ("s", "c", "COMPLETED")
    assert (service["desired"], service["running"], service["pending"]) == (2, 2, 0)
    addresses = set()
    for task in found["tasks"]:
        assert (task["group"], task["status"]) == ("service:s", "RUNNING")
        (target,) = task["targets"]
        assert (target["target_group"], target["state"]) == ("tg", "healthy")
        addresses.add(target["address"])
    assert len(addresses) == 2
    # The service has a subnet in each.
    assert {task["zone"] for task in found["tasks"]} == {"us-east-1a", "us-east-1b"}
    (group,) = found["target_groups"]
    assert (group["target_group"], group["receives"], group["targets"]) == ("tg", True, {"healthy": 2})
    assert [row["alarm"] for row in found["alarms"]["ALARM"]] == ["loud"]
    assert found["alarms"]["ALARM"][0]["reason"] == "tried"

    shown = cloud.command("status").stdout
    for text in (f"127.0.0.1:{cloud.http}", "2 of 2 run, 0 start", "2 healthy", *addresses, "loud", "ALARM"):
        assert text in shown

    cloud.client("ecs").update_service(cluster="c", service="s", desiredCount=0)
    until(lambda: not json.loads(cloud.command("status", "--json").stdout)["tasks"])
