"""Containers on a Docker engine: a private network of their own, whose one way out is the gateway.

The network is internal: no route leads out of it. A relay container on it mounts the gateway's Unix socket,
so that
tasks reach the gateway and nothing else; it runs from the task's own image, with the Python in it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud.ecs.images import Image
from localcloud.ecs.records import Record

log = logging.getLogger("localcloud.ecs")

#: On every container and network, with the state directory's id.
LABEL = "io.echo-room.localcloud"
#: Exists below the state directory once an engine was used, so that a sweep knows to ask one.
MARK = "engine"
_CALL_SECONDS = 20
_PULL_SECONDS = 300
_RELAY_PORT = 4566

_RELAY = """
import asyncio
async def copy(r, w):
    try:
        while b := await r.read(65536):
            w.write(b); await w.drain()
    except OSError: pass
    finally: w.close()
async def serve(r, w):
    try: gr, gw = await asyncio.open_unix_connection("/gateway/gateway.sock")
    except OSError: w.close(); return
    await asyncio.gather(copy(r, gw), copy(gr, w))
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", %d)
    async with server: await server.serve_forever()
asyncio.run(main())
"""


class EngineError(Exception):
    """The engine cannot run the task; the message is its stopped reason."""


def connect(seconds: float) -> Any:
    """A client of the Docker engine that answers. Raises EngineError."""
    from docker.errors import DockerException

    import docker

    try:
        client: Any = docker.from_env(timeout=seconds)  # type: ignore[attr-defined]
        client.ping()
    except (DockerException, OSError) as exc:
        raise EngineError(
            f"CannotPullContainerError: no Docker engine answers ({str(exc)[:200]}); run make create with "
            "RUNTIME=process, or start Docker."
        ) from exc
    return client


class Engine:
    """The engine, this local cloud's network on it and the relay."""

    def __init__(self, state: Path, port: int, cloud_id: str) -> None:
        self._state, self._port, self._id = state, port, cloud_id
        self._client: Any = None
        self._ready = asyncio.Lock()
        self._relay: Any = None
        self.network = f"localcloud-{cloud_id}"
        self.gateway = ""

    async def call(self, function: Callable[[], Any], what: str, seconds: float = _CALL_SECONDS) -> Any:
        """Run a blocking call of the SDK on a thread. Raises EngineError, after `seconds` at the latest."""
        from docker.errors import DockerException

        try:
            return await asyncio.wait_for(_in_thread(function), seconds)
        except TimeoutError as exc:
            raise EngineError(f"{what}: the Docker engine did not answer within {seconds:.0f} s") from exc
        except (DockerException, OSError) as exc:
            raise EngineError(f"{what}: {str(exc)[:500]}") from exc

    async def container(
        self, task: str, definition: Record, task_definition: Record, image: Image | None
    ) -> DockerContainer:
        """Pull the image and have the network ready. Raises EngineError."""
        if self._client is None:
            try:
                self._client = await asyncio.wait_for(_in_thread(lambda: connect(_PULL_SECONDS)), 5)
            except TimeoutError as exc:
                raise EngineError(
                    "CannotPullContainerError: no Docker engine answers (nothing within 5 s); run "
                    "make create with "
                    "RUNTIME=process, or start Docker."
                ) from exc
            (self._state / MARK).touch()
        client = self._client
        name = f"127.0.0.1:{self._port}/{image.repository}@{image.digest}" if image else definition["image"]
        await self.call(lambda: _pull(client, name), "CannotPullContainerError", _PULL_SECONDS)
        async with self._ready:
            await self._prepare(name)
        return DockerContainer(self, client, task, name, definition, task_definition)

    def labels(self) -> dict[str, str]:
        """What marks everything that belongs to this local cloud."""
        return {LABEL: self._id}

    async def _prepare(self, image: str) -> None:
        client = self._client
        if self._relay is not None:
            with suppress(EngineError):
                await self.call(self._relay.reload, "relay")
                if self._relay.status == "running":
                    return

        def prepare() -> tuple[Any, str]:
            if not client.networks.list(names=[f"^{self.network}$"]):
                client.networks.create(self.network, driver="bridge", internal=True, labels=self.labels())
            name = f"{self.network}-gateway"
            for old in client.containers.list(all=True, filters={"name": f"^/{name}$"}):
                old.remove(force=True)
            relay = client.containers.run(
                image,
                entrypoint=["python3", "-c", _RELAY % _RELAY_PORT],
                command=[],
                name=name,
                labels=self.labels(),
                network=self.network,
                user="0:0",
                read_only=True,
                cap_drop=["ALL"],
                # The socket is its owner's alone; root without this capability could not open it.
                cap_add=["DAC_OVERRIDE"],
                security_opt=["no-new-privileges"],
                mem_limit="128m",
                volumes={str(self._state): {"bind": "/gateway", "mode": "ro"}},
                environment={"PYTHONDONTWRITEBYTECODE": "1"},
                healthcheck={"test": ["NONE"]},
                restart_policy={"Name": "no"},
                detach=True,
            )
            relay.reload()
            address = relay.attrs["NetworkSettings"]["Networks"][self.network]["IPAddress"]
            if not address:
                raise OSError(f"the relay ended at once: {relay.logs().decode(errors='replace')[-300:]}")
            return relay, str(address)

        self._relay, address = await self.call(prepare, "ResourceInitializationError: relay to the gateway")
        self.gateway = f"http://{address}:{_RELAY_PORT}"
        for _ in range(50):
            with suppress(OSError, TimeoutError):
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, _RELAY_PORT), 1)
                writer.close()
                return
            await asyncio.sleep(0.1)
        raise EngineError("ResourceInitializationError: the relay to the gateway does not answer")

    async def close(self) -> None:
        """Remove everything that is left."""
        if self._client is not None:
            client = self._client
            with suppress(EngineError):
                await self.call(lambda: _remove_all(client, self._id), "clean-up", 30)


async def _in_thread(function: Callable[[], Any]) -> Any:
    """Like asyncio.to_thread, on a daemon thread: a call that hangs must not hold up the process's end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def deliver(result: Any, problem: BaseException | None) -> None:
        if not future.done():
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    def run() -> None:
        result: Any = None
        problem: BaseException | None = None
        try:
            result = function()
        except Exception as exc:
            problem = exc
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, result, problem)

    threading.Thread(target=run, daemon=True, name="docker").start()
    return await future


def _pull(client: Any, name: str) -> None:
    from docker.errors import ImageNotFound

    try:
        client.images.get(name)
    except ImageNotFound:
        client.images.pull(name)


def _remove_all(client: Any, cloud_id: str) -> None:
    from docker.errors import NotFound

    for container in client.containers.list(all=True, filters={"label": f"{LABEL}={cloud_id}"}):
        with suppress(NotFound):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": f"{LABEL}={cloud_id}"}):
        with suppress(NotFound):
            network.remove()


def sweep(cloud_id: str) -> None:
    """Remove what a killed local cloud left on the engine; nothing when no engine answers."""
    try:
        client = connect(5)
    except EngineError as exc:
        log.warning("containers that may be left behind cannot be looked for: %s", exc)
        return
    _remove_all(client, cloud_id)


class DockerContainer:
    """One container of a task."""

    def __init__(
        self, engine: Engine, client: Any, task: str, image: str, definition: Record, task_definition: Record
    ) -> None:
        self._engine, self._client, self._task, self._image = engine, client, task, image
        self._definition, self._task_definition = definition, task_definition
        self._container: Any = None
        self.runtime_id = ""
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
        if address:
            # The containers of a task share one network namespace.
            options.pop("network")
            options["network_mode"] = f"container:localcloud-{self._task}"
        else:
            options["name"] = f"localcloud-{self._task}"
        run = self._client.containers.run
        self._container = container = await self._engine.call(
            lambda: run(self._image, **options), "CannotStartContainerError"
        )
        self.runtime_id = str(container.id)
        await self._engine.call(container.reload, "CannotStartContainerError")
        networks = container.attrs["NetworkSettings"]["Networks"]
        loop = asyncio.get_running_loop()

        def follow() -> None:
            with suppress(Exception):
                for data in container.logs(stream=True, follow=True):
                    loop.call_soon_threadsafe(output, data)

        threading.Thread(target=follow, daemon=True, name="docker-logs").start()
        return address or str(networks.get(self._engine.network, {}).get("IPAddress") or "")

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
            options["tmpfs"] = {t["containerPath"]: f"size={t['size']}m" for t in tmpfs}
        if limits := definition.get("ulimits"):
            from docker.types import Ulimit

            options["ulimits"] = [
                Ulimit(name=u["name"], soft=int(u["softLimit"]), hard=int(u["hardLimit"])) for u in limits
            ]
        return options

    async def wait(self) -> int:
        """Its exit code, when it ends."""
        try:
            return await self._wait()
        finally:
            self._ended.set()

    async def _wait(self) -> int:
        while True:
            try:
                result = await _in_thread(lambda: self._container.wait(timeout=3600))
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

    async def execute(self, command: list[str], seconds: float) -> int:
        """Run a command in it; its exit code. Raises TimeoutError after `seconds`, else OSError."""
        try:
            result = await asyncio.wait_for(_in_thread(lambda: self._container.exec_run(command)), seconds)
        except TimeoutError:
            raise
        except Exception as exc:
            raise OSError(str(exc)) from exc
        return int(result.exit_code)


def _true(value: Any) -> bool:
    return str(value).lower() == "true"
