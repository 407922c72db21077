"""All tasks of this local cloud: begun, told to stop, and ended with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.ecs import announce
from localcloud.ecs.life import Life
from localcloud.ecs.records import Record, now

log = logging.getLogger("localcloud.ecs")

_STARTS_AT_ONCE = 8


class Tasks:
    """Runs every task of this local cloud. Lives on the event loop."""

    def __init__(self, state: Path, port: int, cloud_id: str, changed: Callable[[], None]) -> None:
        self.state, self.port, self.cloud_id = state, port, cloud_id
        self.changed = changed
        #: Called after log lines were stored.
        self.logged: Callable[[], None] = lambda: None
        self.records = state / "tasks"
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping: dict[str, asyncio.Event] = {}
        self._lives: dict[str, Life] = {}
        #: Processes; an engine has its own, so that one that hangs holds up no process.
        self.starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self.engine: Any = None
        self.closing = False

    def launch(self, task: Record, definition: Record, account: str, region: str) -> None:
        """Start a task whose record was just stored."""
        arn = task["taskArn"]
        announce.task(task)
        self._stopping[arn] = asyncio.Event()
        life = self._lives[arn] = Life(self, task, definition, account, region)
        running = asyncio.get_running_loop().create_task(life.run())
        self._running[arn] = running
        running.add_done_callback(lambda ended: self._ended(arn, ended))

    def _ended(self, arn: str, ended: asyncio.Task[None]) -> None:
        if not ended.cancelled() and (problem := ended.exception()):
            log.error("task %s", arn, exc_info=problem)
        self._running.pop(arn, None)
        self._stopping.pop(arn, None)
        self._lives.pop(arn, None)
        self.changed()

    def stop(self, task: Record, reason: str, code: str) -> None:
        """Ask a task to stop; it goes on for as long as draining and its containers take."""
        if task["desiredStatus"] == "STOPPED":
            return
        task.update(desiredStatus="STOPPED", stoppedReason=reason, stopCode=code, stoppingAt=now())
        task["version"] = int(task.get("version") or 1) + 1
        announce.task(task)
        if event := self._stopping.get(task["taskArn"]):
            event.set()
        self.changed()

    async def kill(self, hit: Callable[[Record], bool], reason: str) -> list[str]:
        """End at once every task that is hit, as the failure of a zone would; their ARNs.

        Their containers end without a word; a task that has none yet fails to start, for `reason`.
        """
        lives = [life for life in self._lives.values() if hit(life.task)]
        containers = [container for life in lives for _, _, container in life.containers]
        for life in lives:
            if not life.containers:
                self.stop(life.task, reason, "TaskFailedToStart")
        for problem in await asyncio.gather(*(each.kill() for each in containers), return_exceptions=True):
            if isinstance(problem, BaseException):
                log.warning("%s A container: %s", reason, problem)
        return [str(life.task["taskArn"]) for life in lives]

    def stopping(self, arn: str) -> asyncio.Event:
        """Set when the task is to stop."""
        return self._stopping[arn]

    async def close(self) -> None:
        """Stop every task, for the end of the local cloud; services keep their desired counts."""
        self.closing = True
        for event in self._stopping.values():
            event.set()
        if self._running:
            await asyncio.gather(*list(self._running.values()), return_exceptions=True)
