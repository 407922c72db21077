"""Tasks as processes on a started cloud, through its API."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cloud_harness import NETWORK, LocalCloud, until


def test_a_service_is_reachable_and_gets_what_the_agent_gives(cloud: LocalCloud) -> None:
    definition = cloud.task_definition(cloud.push(), VERSION="one")
    group = cloud.balancer()
    cloud.service(definition, group)
    service = cloud.stable()
    assert any("has reached a steady state." in e["message"] for e in service["events"])
    assert cloud.get("/") == (200, b"one")
    environment = json.loads(cloud.get("/env")[1])
    assert environment["AWS_ENDPOINT_URL"] == cloud.url
    assert environment["FROM_IMAGE"] == "yes"
    assert environment["LISTEN"].startswith("127.")
    assert not {"USER", "VIRTUAL_ENV", "LOCALCLOUD_CONFIGURED"} & environment.keys()
    assert json.loads(cloud.get("/metadata")[1])["Family"] == "tiny"
    tasks = cloud.tasks()
    assert len({task["attachments"][0]["details"][-1]["value"] for task in tasks}) == 2
    health = cloud.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [h["TargetHealth"]["State"] for h in health] == ["healthy", "healthy"]

    def lines() -> list[str]:
        stream = f"t/web/{tasks[0]['taskArn'].rsplit('/', 1)[1]}"
        events = cloud.client("logs").get_log_events(logGroupName="/tiny", logStreamName=stream)["events"]
        return [event["message"] for event in events]

    assert until(lines) == ["hello from one"]


def test_a_rolling_update_loses_no_request(cloud: LocalCloud) -> None:
    image = cloud.push()
    cloud.service(cloud.task_definition(image, VERSION="one"), cloud.balancer())
    cloud.stable()
    answers: list[tuple[int, bytes]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set() and len(answers) < 3000:
            answers.append(cloud.get("/slow" if len(answers) % 100 == 50 else "/"))
            time.sleep(0.005)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    cloud.client("ecs").update_service(
        cluster="c", service="s", taskDefinition=cloud.task_definition(image, VERSION="two")
    )
    try:
        cloud.stable()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert {status for status, _ in answers} == {200}
    assert {body for _, body in answers} == {b"one", b"two"}
    assert cloud.get("/") == (200, b"two")


def test_an_update_that_never_gets_healthy_is_rolled_back(cloud: LocalCloud) -> None:
    image = cloud.push()
    good = cloud.task_definition(image, VERSION="one")
    cloud.service(good, cloud.balancer())
    cloud.stable()
    cloud.client("ecs").update_service(
        cluster="c", service="s", taskDefinition=cloud.task_definition(image, MODE="exits")
    )
    until(lambda: any("rolling back to" in e["message"] for e in cloud.described()["events"]))
    service = cloud.stable()
    assert service["taskDefinition"] == good
    assert cloud.get("/") == (200, b"one")
    stopped = [t for t in cloud.tasks("STOPPED") if t["taskDefinitionArn"] != good]
    exited = [t for t in stopped if t["stoppedReason"] == "Essential container in task exited"]
    assert len(exited) >= 3
    assert {c["exitCode"] for t in exited for c in t["containers"]} == {7}


def test_a_target_that_fails_its_checks_is_replaced(cloud: LocalCloud) -> None:
    image = cloud.push()
    cloud.service(
        cloud.task_definition(image, MODE="unhealthy"), cloud.balancer(), count=1, grace=0,
        thresholdConfiguration={"type": "COUNT", "value": 1},
    )  # fmt: skip
    until(lambda: cloud.described()["deployments"][0]["rolloutState"] == "FAILED", 60)
    assert any("Task failed ELB health checks" in t["stoppedReason"] for t in cloud.tasks("STOPPED"))
    assert cloud.get("/")[0] == 503


def test_a_killed_task_is_replaced_and_scaling_works(cloud: LocalCloud) -> None:
    cloud.service(cloud.task_definition(cloud.push(), VERSION="one"), cloud.balancer(), count=1)
    cloud.stable(1)
    before = cloud.tasks()[0]["taskArn"]
    os.kill(cloud.processes()[0], signal.SIGKILL)
    until(lambda: [t for t in cloud.tasks() if t["taskArn"] != before and t["lastStatus"] == "RUNNING"])
    dead = cloud.client("ecs").describe_tasks(cluster="c", tasks=[before])["tasks"][0]
    assert dead["containers"][0]["exitCode"] == 137
    for count in (3, 1):
        cloud.client("ecs").update_service(cluster="c", service="s", desiredCount=count)
        cloud.stable(count)
        until(lambda count=count: len(cloud.processes()) == count)


def test_stop_timeout_is_honoured(cloud: LocalCloud) -> None:
    definition = cloud.task_definition(cloud.push(), stop_timeout=2, MODE="stubborn")
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    task = ecs.run_task(cluster="c", taskDefinition=definition, networkConfiguration=NETWORK)["tasks"][0][
        "taskArn"
    ]

    def described() -> dict[str, object]:
        return ecs.describe_tasks(cluster="c", tasks=[task])["tasks"][0]

    running = until(lambda: (t := described())["lastStatus"] == "RUNNING" and t)
    address = running["attachments"][0]["details"][-1]["value"]
    until(lambda: _answers(f"http://{address}:8080/health"))
    ecs.stop_task(cluster="c", task=task, reason="enough")
    until(lambda: described()["lastStatus"] == "STOPPING")
    assert _answers(f"http://{address}:8080/health")
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t)
    assert stopped["stoppedReason"] == "enough"
    assert stopped["stopCode"] == "UserInitiated"
    assert stopped["containers"][0]["exitCode"] == 137
    assert (stopped["executionStoppedAt"] - stopped["stoppingAt"]).total_seconds() >= 1


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def test_a_killed_cloud_comes_back_with_everything_once(cloud: LocalCloud) -> None:
    cloud.service(cloud.task_definition(cloud.push(), VERSION="one"), cloud.balancer())
    cloud.stable()
    before = cloud.processes()
    assert len(before) == 2
    home = Path(json.loads(cloud.get("/env")[1])["HOME"])
    assert home.is_dir()
    cloud.kill()
    until(lambda: cloud.processes() == [])
    until(lambda: not home.exists())
    cloud.up()
    cloud.stable()
    assert len(cloud.processes()) == 2
    assert len(cloud.tasks()) == 2
    until(lambda: cloud.get("/") == (200, b"one"))
    assert len(cloud.processes()) == 2
    cloud.down()
    assert cloud.processes() == []
    cloud.up()
    cloud.stable()
    assert len(cloud.processes()) == 2


def test_a_taken_port_fails_the_listener_and_says_what_to_do(cloud: LocalCloud) -> None:
    cloud.balancer()
    elb = cloud.client("elbv2")
    lb = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    with pytest.raises(elb.exceptions.ClientError, match=f"port {cloud.port} .*HttpPort"):
        elb.create_listener(
            LoadBalancerArn=lb, Port=cloud.port, Protocol="HTTP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )  # fmt: skip
    assert len(elb.describe_listeners(LoadBalancerArn=lb)["Listeners"]) == 1


def test_no_engine_stops_a_container_task_and_says_so(
    cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.down()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    cloud.up()
    ecs = cloud.client("ecs")
    ecs.create_cluster(clusterName="c")
    definition = cloud.task_definition("elsewhere/image:1")
    task = ecs.run_task(cluster="c", taskDefinition=definition, networkConfiguration=NETWORK)["tasks"][0][
        "taskArn"
    ]

    def described() -> Any:
        return ecs.describe_tasks(cluster="c", tasks=[task])["tasks"][0]

    until(lambda: described()["lastStatus"] == "STOPPED")
    assert described()["stopCode"] == "TaskFailedToStart"
    assert "CannotPullContainerError: no Docker engine answers" in described()["stoppedReason"]
    assert "RUNTIME=process" in described()["stoppedReason"]


def test_a_request_without_end_does_not_hold_up_the_end(cloud: LocalCloud) -> None:
    group = cloud.balancer()
    cloud.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "3600"}]
    )
    elb = cloud.client("elbv2")
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"],
        Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "3600"}],
    )
    cloud.service(cloud.task_definition(cloud.push()), group, count=1)
    cloud.stable(1)
    with socket.create_connection(("127.0.0.1", cloud.http)) as held:
        # The service waits for a body that never comes.
        held.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        time.sleep(0.5)
        cloud.down()
    cloud.up()
    logs = cloud.client("logs")
    streams = logs.describe_log_streams(logGroupName="/tiny")["logStreams"]
    lines = [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName="/tiny", logStreamName=stream["logStreamName"])[
            "events"
        ]
    ]
    assert "told to stop" in lines
