"""What agent and scheduler do for tasks: health checks, zones, secrets, scale-in; an engine that hangs."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import socketserver
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cloud_harness import LocalCloud, until

from localcloud.ecs import health
from localcloud.ecs.control import ServiceDeploymentFailed, _stable


def test_a_task_whose_container_becomes_unhealthy_is_replaced(cloud: LocalCloud, tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    check = "import os, sys; sys.exit(os.path.exists(os.environ['SICK']))"
    definition = cloud.task_definition(
        cloud.push(),
        container={
            "healthCheck": {"command": ["CMD", "python3", "-c", check], "interval": 1, "retries": 2,
                            "timeout": 5, "startPeriod": 30},
        },
        SICK=str(sick),
    )  # fmt: skip
    cloud.service(definition, cloud.balancer(), count=1, grace=0)
    cloud.stable(1)
    (before,) = cloud.tasks()
    assert before["healthStatus"] == before["containers"][0]["healthStatus"] == "HEALTHY"
    sick.touch()
    stopped = until(lambda: [t for t in cloud.tasks("STOPPED") if t["taskArn"] == before["taskArn"]])
    sick.unlink()
    assert stopped[0]["stoppedReason"] == "Task failed container health checks"
    assert stopped[0]["stopCode"] == "ServiceSchedulerInitiated"
    until(lambda: [t for t in cloud.tasks() if t["healthStatus"] == "HEALTHY"])
    assert before["taskArn"] not in {t["taskArn"] for t in cloud.tasks()}


def test_a_check_that_cannot_be_made_has_failed_and_goes_on() -> None:
    class Odd:
        made = 0

        async def execute(self, *_: Any) -> int:
            Odd.made += 1
            if Odd.made == 3:
                return 0
            raise ValueError("not to be expected")

    states: list[str] = []

    async def case() -> None:
        check = {"command": ["CMD", "x"], "interval": 0.01, "retries": 2}
        watching = asyncio.create_task(health.watch(Odd(), check, states.append))
        async with asyncio.timeout(60):
            while len(states) < 3:
                await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(case())
    assert states == ["UNHEALTHY", "HEALTHY", "UNHEALTHY"]


def test_failures_within_the_start_period_do_not_count_before_the_first_success() -> None:
    results = iter([1, 1, 1, 0, 1, 1])
    states: list[str] = []

    class Scripted:
        async def execute(self, *_: Any) -> int:
            if (result := next(results, None)) is None:
                raise asyncio.CancelledError
            return result

    check = {"command": ["CMD", "x"], "interval": 0.01, "retries": 2, "startPeriod": 3600}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(health.watch(Scripted(), check, states.append))
    assert states == ["HEALTHY", "UNHEALTHY"]


def test_tasks_are_spread_over_the_zones(cloud: LocalCloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = {
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24", AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]: zone
        for n, zone in enumerate(("us-east-1b", "us-east-1c"))
    }
    cloud.service(cloud.task_definition(cloud.push()), cloud.balancer(), count=4, subnets=tuple(subnets))
    cloud.stable(4)
    placed = [
        (
            t["availabilityZone"],
            next(d["value"] for d in t["attachments"][0]["details"] if "ubnet" in d["name"]),
        )
        for t in cloud.tasks()
    ]
    assert sorted(zone for zone, _ in placed) == ["us-east-1b"] * 2 + ["us-east-1c"] * 2
    assert all(subnets[subnet] == zone for zone, subnet in placed)


def test_secrets_reach_the_task_and_a_missing_one_stops_it(cloud: LocalCloud) -> None:
    image = cloud.push()
    secret = cloud.client("secretsmanager").create_secret(Name="s", SecretString=json.dumps({"key": "one"}))
    parameter = "arn:aws:ssm:us-east-1:000000000000:parameter/p"
    cloud.client("ssm").put_parameter(Name="/p", Value="two", Type="SecureString")
    known = [
        {"name": "WHOLE", "valueFrom": secret["ARN"]},
        {"name": "KEY", "valueFrom": f"{secret['ARN']}:key::"},
        {"name": "PARAMETER", "valueFrom": parameter},
    ]
    cloud.service(cloud.task_definition(image, container={"secrets": known}), cloud.balancer(), count=1)
    cloud.stable(1)
    environment = json.loads(cloud.get("/env")[1])
    assert json.loads(environment["WHOLE"]) == {"key": "one"}
    assert (environment["KEY"], environment["PARAMETER"]) == ("one", "two")
    missing = [{"name": "MISSING", "valueFrom": f"{parameter}/missing"}]
    described = cloud.run_task(cloud.task_definition(image, container={"secrets": missing}))
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t)
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "unable to retrieve secret" in stopped["stoppedReason"]
    assert "/p/missing" in stopped["stoppedReason"]


def test_scaling_in_under_load_loses_no_request(cloud: LocalCloud) -> None:
    cloud.service(cloud.task_definition(cloud.push(), VERSION="one"), cloud.balancer(), count=3)
    cloud.stable(3)
    answers: list[tuple[int, bytes]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set() and len(answers) < 3000:
            answers.append(cloud.get("/slow" if len(answers) % 50 == 25 else "/"))
            time.sleep(0.005)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(answers) > 100)
        cloud.client("ecs").update_service(cluster="c", service="s", desiredCount=1)
        cloud.stable(1)
        until(lambda: len(cloud.processes()) == 1)
        before = len(answers)
        until(lambda: len(answers) > before + 50)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {(200, b"one")}


def test_why_a_service_did_not_become_stable() -> None:
    deployment: dict[str, Any] = {"rolloutState": "IN_PROGRESS", "_reasons": ["second", "first", "second"]}
    service: dict[str, Any] = {
        "serviceName": "s", "status": "ACTIVE", "deployments": [deployment], "runningCount": 0,
        "desiredCount": 1,
    }  # fmt: skip

    def waited() -> str:
        with pytest.raises(ServiceDeploymentFailed) as failure:
            asyncio.run(_stable(service, deployment, 0))
        return str(failure.value)

    assert waited() == "service s did not become stable within 0 s: second; first"
    deployment["rolloutState"] = "FAILED"
    assert waited() == "ECS Deployment Circuit Breaker was triggered: second; first"
    service["status"] = "DRAINING"
    assert waited() == "service s was deleted"
    service.update(status="ACTIVE", runningCount=1, _healthy=1)
    deployment["rolloutState"] = "COMPLETED"
    asyncio.run(_stable(service, deployment, 0))


def test_an_engine_that_hangs_holds_up_nothing_else(
    cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.down()
    # A sweep at the start asks the engine as well, once one has been used.
    (cloud.state / "engine").touch()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind("engine.sock")
        silent.listen(100)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        cloud.up()
        held = [cloud.run_task(cloud.task_definition("elsewhere/image:1")) for _ in range(10)]
        cloud.service(cloud.task_definition(cloud.push(), VERSION="one"), cloud.balancer(), count=1)
        cloud.stable(1)
        assert cloud.get("/") == (200, b"one")
        stopped = until(lambda: [d() for d in held if d()["lastStatus"] == "STOPPED"])
        assert stopped[0]["stopCode"] == "TaskFailedToStart"
        assert "no Docker engine answers" in stopped[0]["stoppedReason"]
        cloud.down()
        assert "cannot be removed" in cloud.log()


def test_a_task_can_be_stopped_while_its_image_is_pulled(
    cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.down()
    monkeypatch.chdir(tmp_path)
    done = threading.Event()

    class Engine(http.server.BaseHTTPRequestHandler):
        """Says that it is there, and never gets an image."""

        def do_GET(self) -> None:
            if "/images/" in self.path:
                done.wait()
                return
            body = b'{"ApiVersion": "1.43", "MinAPIVersion": "1.24"}' if "version" in self.path else b"OK"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server("engine.sock", Engine) as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        cloud.up()
        described = cloud.run_task(cloud.task_definition("elsewhere/image:1"))
        until(lambda: (cloud.state / "engine").exists())
        assert described()["lastStatus"] == "PENDING"
        cloud.client("ecs").stop_task(cluster="c", task=described()["taskArn"], reason="enough")
        until(lambda: described()["lastStatus"] == "STOPPED")
        assert described()["stoppedReason"] == "enough"
        done.set()
        engine.shutdown()
