"""Tasks as containers on a started cloud; needs a Docker engine and an image with Python in it."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cloud_harness import CPU, SERVICE, LocalCloud, until

from localcloud.ecs import relay
from localcloud.ecs.engine import remove_all

pytestmark = pytest.mark.engine


def _definition(cloud: LocalCloud, image: str, version: str) -> str:
    cloud.task_definition(image)
    arn: str = cloud.client("ecs").register_task_definition(
        family="tiny", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        runtimePlatform={"cpuArchitecture": CPU},
        containerDefinitions=[
            {
                "name": "web", "image": image, "essential": True, "stopTimeout": 5,
                "readonlyRootFilesystem": True,
                "user": "10001:10001", "entryPoint": ["python3", "-c"], "command": [SERVICE],
                "linuxParameters": {"initProcessEnabled": True}, "portMappings": [{"containerPort": 8080}],
                "environment": [
                    {"name": "VERSION", "value": version},
                    {"name": "LISTEN", "value": "0.0.0.0"},
                    {"name": "PORT", "value": "8080"},
                ],
                "healthCheck": {"command": ["CMD", "python3", "-c", "pass"], "interval": 5, "startPeriod": 5},
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "/tiny", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t",
                    },
                },
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    return arn


def test_the_whole_life_of_a_service_in_containers(cloud: LocalCloud, engine: Any, image: str) -> None:
    identity = json.loads((cloud.state / "cloud.json").read_text())["id"]

    def mine() -> list[Any]:
        found: list[Any] = engine.containers.list(
            all=True, filters={"label": f"io.echo-room.localcloud={identity}"}, ignore_removed=True
        )
        return found

    cloud.service(_definition(cloud, image, "one"), cloud.balancer(), grace=30)
    cloud.stable(seconds=90)
    assert len(mine()) == 3, "two tasks and the relay"
    assert cloud.get("/") == (200, b"one")
    # Through the relay: the only way out there is.
    assert json.loads(cloud.get("/metadata")[1])["Family"] == "tiny"
    assert {task["healthStatus"] for task in cloud.tasks()} == {"HEALTHY"}
    stream = f"t/web/{cloud.tasks()[0]['taskArn'].rsplit('/', 1)[1]}"
    logs = cloud.client("logs")
    until(lambda: logs.get_log_events(logGroupName="/tiny", logStreamName=stream)["events"])

    cloud.client("ecs").update_service(
        cluster="c", service="s", taskDefinition=_definition(cloud, image, "two")
    )
    cloud.stable(seconds=90)
    assert cloud.get("/") == (200, b"two")

    cloud.kill()
    cloud.up()
    cloud.stable(seconds=90)
    assert len(mine()) == 3
    cloud.down()
    assert mine() == []
    assert engine.networks.list(filters={"label": f"io.echo-room.localcloud={identity}"}) == []


def test_a_container_that_cannot_start_leaves_nothing(cloud: LocalCloud, engine: Any, image: str) -> None:
    identity = json.loads((cloud.state / "cloud.json").read_text())["id"]
    described = cloud.run_task(cloud.task_definition(image, container={"entryPoint": ["/no/such/program"]}))
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t, 60)
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert "/no/such/program" in stopped["stoppedReason"]
    mine = engine.containers.list(
        all=True, filters={"label": f"io.echo-room.localcloud={identity}"}, ignore_removed=True
    )
    assert [container.name for container in mine] == [f"localcloud-{identity}-gateway"]


def test_the_containers_of_a_task_share_its_address(cloud: LocalCloud, image: str) -> None:
    cloud.task_definition(image)
    wait = "import signal, time; signal.signal(15, lambda *_: exit(0)); time.sleep(60)"
    web = (
        "from http.server import HTTPServer, SimpleHTTPRequestHandler as Handler;"
        "HTTPServer(('127.0.0.1', 8080), Handler).serve_forever()"
    )
    ask = "import time, urllib.request as u; time.sleep(2);print(u.urlopen('http://127.0.0.1:8080').status)"
    containers = [
        {"name": "web", "image": image, "entryPoint": ["python3", "-c", web], "stopTimeout": 1},
        {"name": "wait", "image": image, "entryPoint": ["python3", "-c", wait], "stopTimeout": 2},
        {"name": "ask", "image": image, "entryPoint": ["python3", "-c", ask], "essential": False},
    ]
    definition = cloud.client("ecs").register_task_definition(
        family="three",
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=containers,
        runtimePlatform={"cpuArchitecture": CPU},
    )["taskDefinition"]["taskDefinitionArn"]
    described = cloud.run_task(definition)

    def asked() -> Any:
        found = {c["name"]: c for c in described()["containers"]}["ask"]
        return found if "exitCode" in found else None

    assert until(asked, 60)["exitCode"] == 0
    assert described()["lastStatus"] == "RUNNING"
    ecs = cloud.client("ecs")
    ecs.stop_task(cluster="c", task=described()["taskArn"])
    until(lambda: described()["lastStatus"] == "STOPPED", 60)


def _sleeps(name: str, image: str, script: str, **more: Any) -> dict[str, Any]:
    wait = "import signal, time; signal.signal(15, lambda *_: exit(0)); time.sleep(60)"
    return {
        "name": name, "image": image, "entryPoint": ["python3", "-c", f"{script}\n{wait}"],
        "user": "10001:10001", "readonlyRootFilesystem": True, "stopTimeout": 1,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
        "ulimits": [{"name": "nofile", "softLimit": 512, "hardLimit": 1024}], **more,
    }  # fmt: skip


def test_a_volume_belongs_to_root_unless_the_image_declares_it(
    cloud: LocalCloud, engine: Any, image: str
) -> None:
    dockerfile = f'FROM {image}\nVOLUME ["/tmp"]\n'
    tag = f"localcloud-test:volume{os.getpid()}"
    engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag)
    cloud.task_definition(image)
    limits = "import resource; assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, 1024)"
    point = {"mountPoints": [{"sourceVolume": "scratch", "containerPath": "/tmp"}]}
    options = ["rw", "nosuid", "nodev", "noexec"]
    write = "open('/tmp/found', 'w').write('shared')"
    read = (
        "import time, pathlib\nfor _ in range(100):\n"
        "    if pathlib.Path('/tmp/found').exists(): exit(9)\n    time.sleep(0.1)"
    )

    def run(*containers: dict[str, Any]) -> Any:
        definition = cloud.client("ecs").register_task_definition(
            family="volumes", networkMode="awsvpc", cpu="256", memory="512", volumes=[{"name": "scratch"}],
            containerDefinitions=list(containers), runtimePlatform={"cpuArchitecture": CPU},
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
        described = cloud.run_task(definition)
        stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t, 60)
        return {c["name"]: c["exitCode"] for c in stopped["containers"]}

    try:
        writes = _sleeps("writes", tag, f"{limits}\n{write}", **point)
        assert run(writes, _sleeps("reads", tag, read, **point)) == {"writes": 0, "reads": 9}
        # The image says nothing of /tmp: an empty folder of root's, which another user cannot write to.
        assert run(_sleeps("writes", image, write, **point)) == {"writes": 1}
        mode = "import os, sys; s = os.stat('/tmp'); sys.exit(s.st_uid == 0 and s.st_mode & 0o777 == 0o755)"
        assert run(_sleeps("looks", image, mode, **point)) == {"looks": 1}
        place = {"containerPath": "/tmp", "size": 1, "mountOptions": options}
        memory = {"linuxParameters": {"tmpfs": [place]}}
        full = (
            "file = open('/tmp/x', 'wb')\ntry:\n    file.write(bytes(2 << 20))\n"
            "except OSError as exc: exit(exc.errno)\nexit(0)"
        )
        assert run(_sleeps("fills", image, full, **memory)) == {"fills": errno.ENOSPC}
    finally:
        # The relay runs from it as well.
        cloud.down()
        engine.images.remove(tag)
    identity = json.loads((cloud.state / "cloud.json").read_text())["id"]
    assert engine.volumes.list(filters={"label": f"io.echo-room.localcloud={identity}"}) == []


def test_limits_that_the_engine_cannot_give_are_left_to_it(cloud: LocalCloud, image: str) -> None:
    most = 2**31 - 2  # More than any kernel allows.
    limits = [{"name": "nofile", "softLimit": most, "hardLimit": most}]
    container = {"entryPoint": ["python3", "-c", "exit(3)"], "ulimits": limits}
    described = cloud.run_task(cloud.task_definition(image, container=container))
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t, 60)
    assert [c["exitCode"] for c in stopped["containers"]] == [3]
    assert "runs with the engine's own limits" in cloud.log()


def test_a_container_that_needs_more_memory_than_it_may_have_says_so(cloud: LocalCloud, image: str) -> None:
    container = {"entryPoint": ["python3", "-c", "bytearray(1 << 29)"], "memory": 64}
    described = cloud.run_task(cloud.task_definition(image, container=container))
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t, 60)
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert [(c["exitCode"], c["reason"]) for c in stopped["containers"]] == [
        (137, "OutOfMemoryError: Container killed due to memory usage")
    ]


def test_an_image_of_another_architecture_is_refused(cloud: LocalCloud, image: str) -> None:
    asked, words = ("ARM64", "arm64") if CPU == "X86_64" else ("X86_64", "amd64")
    definition = cloud.task_definition(image, more={"runtimePlatform": {"cpuArchitecture": asked}})
    described = cloud.run_task(definition)
    stopped = until(lambda: (t := described())["lastStatus"] == "STOPPED" and t, 60)
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert f"descriptor matching platform 'linux/{words}'" in stopped["stoppedReason"]


def test_the_relay_needs_nothing_of_the_image(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, identity = io.BytesIO(), f"test{os.getpid()}"
    tarfile.open(fileobj=empty, mode="w").close()
    engine.api.import_image_from_data(empty.getvalue(), repository=f"localcloud-{identity}", tag="empty")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as gateway:
        gateway.bind("gateway.sock")
        gateway.listen()
        try:
            _, address = relay.start(
                engine, f"localcloud-{identity}", identity, f"localcloud-{identity}:empty", tmp_path
            )

            def greeted() -> bytes:
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection((address, relay.PORT), 2) as asking,
                ):
                    asking.sendall(b"anybody?")
                    taken, _ = gateway.accept()
                    with taken:
                        taken.sendall(b"heard " + taken.recv(100))
                    return asking.recv(100)
                return b""

            assert until(greeted) == b"heard anybody?"
        finally:
            remove_all(engine, identity)
            engine.images.remove(f"localcloud-{identity}:empty", force=True)
