"""Containers of tasks on a Docker engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from localcloud.ecs.engine import Engine, EngineError
from localcloud.ecs.records import Record
from localcloud.threads import in_thread

log = logging.getLogger("localcloud.ecs")

#: What Fargate says of a container that used more memory than its task has.
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


class DockerContainer:
    """One container of a task."""

    def __init__(
        self, engine: Engine, task: str, image: str, definition: Record, task_definition: Record
    ) -> None:
        self._engine, self._task, self._image = engine, task, image
        self._definition, self._task_definition = definition, task_definition
        self._container: Any = None
        self._volumes: list[str] = []
        self.runtime_id = ""
        self.reason = ""
        self._ended = asyncio.Event()

    async def start(
        self,
        definition: Record,
        environment: dict[str, str],
        address: str,
        ports: dict[int, int],
        output: Callable[[bytes], None],
    ) -> str:
        """Start it; `output` gets what it writes. Returns its address. Raises EngineError."""
        del ports
        options = self._options(definition, environment)
        options["mounts"] = await self._engine.call(
            lambda: self._mounts(definition), "CannotStartContainerError"
        )
        if address:
            # The containers of a task share one network namespace.
            options.pop("network")
            options["network_mode"] = f"container:localcloud-{self._task}"
            name = f"localcloud-{self._task}-{definition['name']}"
        else:
            name = f"localcloud-{self._task}"
        try:
            container = await self._run(name, options)
        except EngineError as exc:
            if "rlimit" not in str(exc) or not options.pop("ulimits", None):
                raise
            # An engine may raise limits no higher than its own: Fargate's are not to be had here.
            log.warning("%s runs with the engine's own limits: %s", name, exc)
            container = await self._run(name, options)
        self._container = container
        self.runtime_id = str(container.id)
        try:
            await self._engine.call(container.reload, "CannotStartContainerError")
        except EngineError:
            # Nobody else knows that it runs.
            with suppress(EngineError):
                await self._engine.call(lambda: container.remove(force=True, v=True), "remove")
            raise
        networks = container.attrs["NetworkSettings"]["Networks"]
        loop = asyncio.get_running_loop()

        def follow() -> None:
            taken = threading.Event()

            def take(data: bytes) -> None:
                try:
                    output(data)
                finally:
                    taken.set()

            try:
                for data in container.logs(stream=True, follow=True):
                    # One piece at a time: the engine holds what the loop has no time for.
                    taken.clear()
                    loop.call_soon_threadsafe(take, data)
                    taken.wait(10)
            except Exception as exc:
                log.debug("the log of %s ended: %s", name, exc)

        threading.Thread(target=follow, daemon=True, name="docker-logs").start()
        return address or str(networks.get(self._engine.network, {}).get("IPAddress") or "")

    async def _run(self, name: str, options: dict[str, Any]) -> Any:
        containers = self._engine.client.containers
        try:
            return await self._engine.call(
                lambda: containers.run(self._image, name=name, **options), "CannotStartContainerError"
            )
        except EngineError:
            # One that could not be started has been created all the same.
            with suppress(EngineError):
                await self._engine.call(lambda: _remove(containers, name), "remove")
            raise

    def _options(self, definition: Record, environment: dict[str, str]) -> dict[str, Any]:
        linux = definition.get("linuxParameters") or {}
        memory = definition.get("memory") or self._task_definition.get("memory")
        cpu = definition.get("cpu") or self._task_definition.get("cpu")
        options: dict[str, Any] = {
            "detach": True,
            "environment": environment,
            "labels": {
                **self._engine.labels(),
                "com.amazonaws.ecs.container-name": definition["name"],
                **(definition.get("dockerLabels") or {}),
            },
            "network": self._engine.network,
            "read_only": _true(definition.get("readonlyRootFilesystem")),
            "init": _true(linux.get("initProcessEnabled")),
            # Health is checked by the agent, from the task definition, not by the image's own HEALTHCHECK.
            "healthcheck": {"test": ["NONE"]},
            "security_opt": ["no-new-privileges"],
        }
        if memory:
            options["mem_limit"] = f"{int(memory)}m"
        if cpu:
            # Fargate gives a task its share and no more; a laptop's start should not suffer below half a
            # processor.
            options["nano_cpus"] = int(max(int(cpu), 512) / 1024 * 1_000_000_000)
        for key, option in (
            ("command", "command"),
            ("entryPoint", "entrypoint"),
            ("user", "user"),
            ("workingDirectory", "working_dir"),
        ):
            if definition.get(key) is not None:
                options[option] = definition[key]
        if drop := (linux.get("capabilities") or {}).get("drop"):
            options["cap_drop"] = drop
        if tmpfs := linux.get("tmpfs"):
            options["tmpfs"] = {
                t["containerPath"]: ",".join([f"size={t['size']}m", *(t.get("mountOptions") or [])])
                for t in tmpfs
            }
        if limits := definition.get("ulimits"):
            from docker.types import Ulimit

            options["ulimits"] = [
                Ulimit(name=u["name"], soft=int(u["softLimit"]), hard=int(u["hardLimit"])) for u in limits
            ]
        return options

    def _mounts(self, definition: Record) -> list[Any]:
        """Its volumes, which the containers of a task share. Blocks.

        As on Fargate, a volume is root's and empty unless the image declares the path as a VOLUME; only then
        does it begin with what the image has there, owner and mode included.
        """
        from docker.types import Mount

        points = definition.get("mountPoints") or []
        declared: Record = {}
        if points:
            config = self._engine.client.images.get(self._image).attrs["Config"] or {}
            declared = config.get("Volumes") or {}
        self._volumes = [f"localcloud-{self._task}-{point['sourceVolume']}" for point in points]
        return [
            Mount(
                point["containerPath"],
                name,
                read_only=_true(point.get("readOnly")),
                no_copy=point["containerPath"] not in declared,
                labels=self._engine.labels(),
            )
            for name, point in zip(self._volumes, points, strict=True)
        ]

    async def wait(self) -> int:
        """Its exit code, when it ends."""
        try:
            code = await self._wait()
            with suppress(EngineError):
                await self._engine.call(self._container.reload, "inspect")
                if self._container.attrs["State"].get("OOMKilled"):
                    self.reason = _OUT_OF_MEMORY
            return code
        finally:
            self._ended.set()

    async def _wait(self) -> int:
        while True:
            try:
                result = await in_thread(lambda: self._container.wait(timeout=3600))
                return int(result["StatusCode"])
            except Exception as exc:
                # The engine may have been restarted; whether the container still runs is what counts.
                log.debug("waiting for %s: %s", self.runtime_id[:12], exc)
                try:
                    await self._engine.call(self._container.reload, "wait")
                except EngineError:
                    return 137
                if self._container.status not in ("running", "created"):
                    return int(self._container.attrs["State"].get("ExitCode", 137))

    async def stop(self, seconds: float) -> None:
        """The image's stop signal; SIGKILL after `seconds`; then the container is removed."""
        container = self._container
        if container is None:
            return
        try:
            await self._engine.call(lambda: container.stop(timeout=int(seconds)), "stop", seconds + 20)
            # Removed only when its end was seen: the exit code goes with it.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 5)
        finally:
            await self._engine.call(lambda: container.remove(force=True, v=True), "remove")
            for name in self._volumes:
                # Another container of the task may have it still; the last one removes it.
                with suppress(EngineError):
                    await self._engine.call(self._engine.client.volumes.get(name).remove, "remove")

    async def kill(self) -> None:
        """SIGKILL; nothing for one that has ended. Raises EngineError."""
        if self._container is not None and not self._ended.is_set():
            await self._engine.call(self._container.kill, "kill")

    async def execute(self, command: list[str], seconds: float) -> int:
        """Run a command in it; its exit code. Raises TimeoutError after `seconds`, else OSError."""
        try:
            result = await asyncio.wait_for(in_thread(lambda: self._container.exec_run(command)), seconds)
        except TimeoutError:
            raise
        except Exception as exc:
            raise OSError(str(exc)) from exc
        return int(result.exit_code)


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _remove(containers: Any, name: str) -> None:
    for container in containers.list(all=True, filters={"name": f"^/{name}$"}, ignore_removed=True):
        container.remove(force=True, v=True)
