"""The life of a task: from PROVISIONING to STOPPED, as the ECS agent leads it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from localcloud import balancer, emulator
from localcloud.ecs import addresses, health, metadata, platforms
from localcloud.ecs.announce import move
from localcloud.ecs.container import Container
from localcloud.ecs.containers import DockerContainer
from localcloud.ecs.definitions import (
    StartError,
    check_volumes,
    log_config,
    overridden,
    secret_values,
)
from localcloud.ecs.engine import Engine, EngineError
from localcloud.ecs.images import CannotPullError, look_up, unpack
from localcloud.ecs.logs import LogStream
from localcloud.ecs.processes import ProcessContainer, free_address
from localcloud.ecs.records import Record, now

if TYPE_CHECKING:
    from localcloud.ecs.tasks import Tasks

log = logging.getLogger("localcloud.ecs")

_STOP_TIMEOUT = 30.0
#: How long requests in flight may take when the local cloud itself ends.
_LAST_DRAIN_SECONDS = 5.0
#: How long a stopped container may take to be seen as ended.
_END_SECONDS = 10.0

T = TypeVar("T")


class _ToldToStopError(Exception):
    """The task was told to stop while it started."""


class Life:
    """One task."""

    def __init__(self, tasks: Tasks, task: Record, definition: Record, account: str, region: str) -> None:
        self.tasks, self.task, self.definition = tasks, task, definition
        self.account, self.region = account, region
        self.id = task["taskArn"].rsplit("/", 1)[1]
        self.containers: list[tuple[Record, Record, Container]] = []
        self.waits: dict[asyncio.Task[int], int] = {}
        self.checks: list[asyncio.Task[None]] = []
        self.streams: list[LogStream] = []
        self.tokens: list[str] = []

    def _scope(self) -> Any:
        return emulator.module("core.responses").request_scope(self.account, self.region)

    async def run(self) -> None:
        """Lead the task to its end, however it ends: its record is STOPPED then."""
        task = self.task
        try:
            try:
                await self._start()
                if task["desiredStatus"] == "RUNNING":
                    await self._watch()
            except _ToldToStopError:
                log.debug("task %s was stopped before it had started", self.id)
            except (StartError, CannotPullError, EngineError) as exc:
                self._fail("TaskFailedToStart", str(exc))
            except OSError as exc:
                self._fail(
                    "TaskFailedToStart",
                    f"CannotStartContainerError: {exc.strerror or exc}: {exc.filename or ''}",
                )
        except Exception as exc:
            log.exception("task %s", self.id)
            self._fail("TaskFailedToStart", f"InternalError: {exc}")
        finally:
            try:
                await self._end()
            except Exception:
                log.exception("the end of task %s", self.id)
                move(task, "STOPPED", stoppedAt=now())

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is cancelled when the task is told to stop. Raises _ToldToStopError."""
        told = asyncio.ensure_future(self.tasks.stopping(self.task["taskArn"]).wait())
        doing = asyncio.ensure_future(work)
        try:
            await asyncio.wait({told, doing}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise _ToldToStopError
        finally:
            for each in (told, doing):
                each.cancel()
            await asyncio.gather(told, doing, return_exceptions=True)

    def _fail(self, code: str, reason: str) -> None:
        if self.task["desiredStatus"] == "RUNNING":
            log.warning("task %s: %s", self.id, reason)
            self.tasks.stop(self.task, reason, code)

    # --- start ----------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        task, definitions = self.task, self.definition["containerDefinitions"]
        with self._scope():
            addresses.take(task)
        move(task, "PENDING", pullStartedAt=now())
        check_volumes(self.definition)
        architecture = platforms.of_definition(self.definition)
        ports = [int(p["containerPort"]) for d in definitions for p in d.get("portMappings") or []]
        address, mapped = "", {port: port for port in ports}
        for definition, shown in zip(definitions, task["containers"], strict=True):
            definition = overridden(definition, task)
            with self._scope():
                image = look_up(definition["image"], self.tasks.port, architecture)
                from_secrets = secret_values(definition)
                config = log_config(definition, self.id, self.account, self.region)
            stream = LogStream(config, self.account, self.region, self.tasks.logged)
            self.streams.append(stream)
            environment = {e["name"]: str(e["value"]) for e in definition.get("environment") or []}
            environment.update(from_secrets)
            if image:
                shown["imageDigest"] = image.digest
            container: Any
            if image and image.is_process:
                platforms.check(image.architecture, architecture, platforms.of_machine())
                root = await asyncio.to_thread(self._unpack, image)
                if not address:
                    address, mapped = free_address(ports)
                record = self.tasks.records / f"{self.id}-{definition['name']}.json"
                container = ProcessContainer(definition["name"], image, root, record)
                gateway, starts = f"http://127.0.0.1:{self.tasks.port}", self.tasks.starts
            else:
                engine = self.tasks.engine = self.tasks.engine or Engine(
                    self.tasks.state, self.tasks.port, self.tasks.cloud_id
                )
                # A pull can take minutes, and an engine that hangs its time; whoever stops the task
                # should not wait for either.
                name = await self._unless_stopped(engine.prepare(definition["image"], image, architecture))
                container = DockerContainer(engine, self.id, name, definition, self.definition)
                gateway, starts = engine.gateway, engine.starts
            token = metadata.register(task, definition, shown)
            self.tokens.append(token)
            environment.update(metadata.environment(gateway, self.region, token))
            async with starts:
                if task["desiredStatus"] != "RUNNING":
                    raise _ToldToStopError
                started = await container.start(definition, environment, address, mapped, stream.write)
            address = address or started
            self.containers.append((definition, shown, container))
            shown.update(runtimeId=container.runtime_id, lastStatus="RUNNING")
            waiting = asyncio.ensure_future(container.wait())
            self.waits[waiting] = len(self.containers) - 1
            if check := definition.get("healthCheck"):
                watching = health.watch(container, check, partial(self._health, shown))
                self.checks.append(asyncio.ensure_future(watching))
        task["_container_ip"] = address
        task["_ports"] = {str(k): v for k, v in mapped.items()}
        attachment = task["attachments"][0]
        attachment.update(status="ATTACHED")
        attachment["details"] += [
            {"name": "networkInterfaceId", "value": f"eni-{self.id[:17]}"},
            {"name": "privateIPv4Address", "value": address},
        ]
        for shown in task["containers"]:
            shown["networkInterfaces"] = [{"attachmentId": attachment["id"], "privateIpv4Address": address}]
        if task["desiredStatus"] == "RUNNING":
            move(task, "RUNNING", pullStoppedAt=now(), startedAt=now(), _started=time.monotonic())
        self.tasks.changed()

    def _unpack(self, image: Any) -> Path:
        with self._scope():
            return unpack(image, self.tasks.state / "images")

    # --- run ------------------------------------------------------------------------------------------------

    def _health(self, shown: Record, state: str) -> None:
        shown["healthStatus"] = state
        states = [
            s["healthStatus"]
            for d, s, _ in self.containers
            if d.get("healthCheck") and d.get("essential", True)
        ]
        self.task["healthStatus"] = (
            "UNHEALTHY" if "UNHEALTHY" in states else "HEALTHY" if set(states) == {"HEALTHY"} else "UNKNOWN"
        )
        self.task["version"] += 1
        self.tasks.changed()

    async def _watch(self) -> None:
        """Until the task is to stop, or an essential container exits."""
        told = asyncio.ensure_future(self.tasks.stopping(self.task["taskArn"]).wait())
        waits: set[asyncio.Future[Any]] = {told, *self.waits}
        try:
            while len(waits) > 1:
                done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if told in done:
                    return
                for ended in done:
                    definition, shown, container = self.containers[self.waits[ended]]  # type: ignore[index]  # `told` has led out above
                    # No code, no knowledge: as after SIGKILL.
                    shown.update(lastStatus="STOPPED", exitCode=137 if ended.exception() else ended.result())
                    if container.reason:
                        shown["reason"] = container.reason
                    if definition.get("essential", True):
                        self.tasks.stop(
                            self.task, "Essential container in task exited", "EssentialContainerExited"
                        )
                        return
            self.tasks.stop(self.task, "Essential container in task exited", "EssentialContainerExited")
        finally:
            told.cancel()

    # --- end ------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        task = self.task
        task["desiredStatus"] = "STOPPED"
        move(task, "DEACTIVATING")
        self.tasks.changed()
        try:
            await self._leave_balancer()
        except Exception:
            # Its containers end whatever the balancer says.
            log.exception("task %s could not leave the load balancer", self.id)
        for check in self.checks:
            check.cancel()
        move(task, "STOPPING")
        stopped = await asyncio.gather(
            *(
                container.stop(float(definition.get("stopTimeout") or _STOP_TIMEOUT))
                for definition, _, container in self.containers
            ),
            return_exceptions=True,
        )
        for problem in stopped:
            if isinstance(problem, BaseException):
                log.warning("task %s: %s", self.id, problem)
        if self.waits:
            await asyncio.wait(self.waits, timeout=_END_SECONDS)
        for waiting, index in self.waits.items():
            shown = self.containers[index][1]
            shown.update(lastStatus="STOPPED")
            if not waiting.done():
                # The engine does not answer; the container is swept when the local cloud ends.
                waiting.cancel()
                log.warning("task %s: container %s was not seen to end", self.id, shown["name"])
            elif not waiting.exception():
                shown.setdefault("exitCode", waiting.result())
        for shown in task["containers"]:
            shown["lastStatus"] = "STOPPED"
        for stream in self.streams:
            stream.close()
        for token in self.tokens:
            metadata.unregister(token)
        for attachment in task["attachments"]:
            attachment["status"] = "DELETED"
        move(task, "STOPPED", stoppedAt=now(), executionStoppedAt=now())
        self.tasks.changed()

    async def _leave_balancer(self) -> None:
        running = balancer.current()
        for arn, address, port in self.task["_targets"]:
            running.deregister(arn, address, port)
        # A container that is gone cannot finish anything, and the cloud's own end should not take as long as
        # one connection that stays open.
        end: float | None = None
        while any(running.health(*target)[0] == "draining" for target in self.task["_targets"]):
            if all(waiting.done() for waiting in self.waits):
                return
            if self.tasks.closing:
                end = end or time.monotonic() + _LAST_DRAIN_SECONDS
                if time.monotonic() > end:
                    return
            await asyncio.sleep(0.02)
