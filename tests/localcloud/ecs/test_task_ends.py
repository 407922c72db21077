"""What a task leaves behind where something goes wrong at its start or its end: nothing."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.balancer import accesslog
from localcloud.ecs import announce, life
from localcloud.ecs.containers import DockerContainer
from localcloud.ecs.engine import Engine, EngineError
from localcloud.ecs.tasks import Tasks


class Started:
    """A container that an engine has started, and then cannot say anything of."""

    id = "c" * 64

    def __init__(self) -> None:
        self.removed = False

    def reload(self) -> None:
        raise OSError("the engine went away")

    def remove(self, **_: Any) -> None:
        self.removed = True


def test_a_container_that_started_but_cannot_be_looked_at_is_removed(tmp_path: Path) -> None:
    started = Started()

    async def main() -> None:
        engine = Engine(tmp_path, 1, "id")
        engine.client = SimpleNamespace(containers=SimpleNamespace(run=lambda *_, **__: started))
        container = DockerContainer(engine, "task", "image", {}, {})
        with pytest.raises(EngineError, match="the engine went away"):
            await container.start({"name": "web"}, {}, "", {}, lambda _: None)

    asyncio.run(main())
    assert started.removed


class Running:
    """A container that runs until it is told to stop."""

    runtime_id, reason = "r", ""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def wait(self) -> int:
        await self.ended.wait()
        return 0

    async def stop(self, seconds: float) -> None:
        del seconds
        self.ended.set()


def test_a_tasks_containers_end_although_its_balancer_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task: dict[str, Any] = {
        "taskArn": "arn:aws:ecs:us-east-1:0:task/c/t", "desiredStatus": "RUNNING", "lastStatus": "RUNNING",
        "version": 1, "containers": [{"name": "web"}], "attachments": [], "_targets": [["g", "127.0.0.1", 1]],
    }  # fmt: skip

    def broken() -> Any:
        raise KeyError("broken on purpose")

    monkeypatch.setattr(life.balancer, "current", broken)
    monkeypatch.setattr(life, "now", lambda: "2026-11-01T12:00:00Z")

    async def main() -> int:
        one = life.Life(Tasks(tmp_path, 1, "id", lambda: None), task, {}, "0", "us-east-1")
        container: Any = Running()
        one.containers.append(({"name": "web"}, task["containers"][0], container))
        waiting = asyncio.ensure_future(container.wait())
        one.waits[waiting] = 0
        async with asyncio.timeout(60):
            await one._end()
        return await waiting

    announce.forget()
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(main()) == 0
    assert (task["lastStatus"], task["containers"][0]["exitCode"]) == ("STOPPED", 0)
    assert "could not leave the load balancer" in caplog.text
    assert "broken on purpose" in caplog.text


def test_an_access_log_that_cannot_be_delivered_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise OSError("broken on purpose")

    monkeypatch.setattr(accesslog, "_put", broken)

    async def main() -> None:
        log = accesslog.AccessLog()
        log._pending["arn"] = accesslog._Pending("bucket", "", ["line\n"])
        await log.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "1 lines of access log are lost" in caplog.text
