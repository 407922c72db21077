"""The Docker engine: its calls on threads, this local cloud's network on it, and what is to be swept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud.ecs import platforms, relay
from localcloud.ecs.images import Image
from localcloud.ecs.relay import LABEL
from localcloud.threads import in_thread

log = logging.getLogger("localcloud.ecs")

#: Exists below the state directory once an engine was used, so that a sweep knows to ask one.
MARK = "engine"
_CALL_SECONDS = 20
_PING_SECONDS = 5
_STARTS_AT_ONCE = 8
_PULL_SECONDS = 300


class EngineError(Exception):
    """The engine cannot run the task; the message is its stopped reason."""


def connect(seconds: float) -> Any:
    """A client, whose calls may take `seconds`, of a Docker engine that answers soon. Raises EngineError."""
    from docker.errors import DockerException

    import docker

    try:
        client: Any = docker.from_env(timeout=_PING_SECONDS)  # type: ignore[attr-defined]  # mypy takes the folder docker/ for it
        client.ping()
        client.api.timeout = seconds
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
        self.client: Any = None
        self._ready = asyncio.Lock()
        self.starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._relay: Any = None
        self.network = f"localcloud-{cloud_id}"
        self.gateway = ""
        self._architecture = ""

    async def call(self, function: Callable[[], Any], what: str, seconds: float = _CALL_SECONDS) -> Any:
        """Run a blocking call of the SDK on a thread. Raises EngineError, after `seconds` at the latest."""
        from docker.errors import DockerException

        try:
            return await asyncio.wait_for(in_thread(function), seconds)
        except TimeoutError as exc:
            raise EngineError(f"{what}: the Docker engine did not answer within {seconds:.0f} s") from exc
        except (DockerException, OSError) as exc:
            raise EngineError(f"{what}: {str(exc)[:500]}") from exc

    async def prepare(self, reference: str, image: Image | None, architecture: str) -> str:
        """Pull the image and have the network ready; the image's name for the engine.

        Raises EngineError, and CannotPullError for an image that is not for `architecture`.
        """
        if self.client is None:
            connected = await in_thread(lambda: connect(_PULL_SECONDS))
            version = await self.call(connected.version, "CannotPullContainerError")
            self._architecture = platforms.of_machine(version.get("Arch") or "")
            self.client = connected
            (self._state / MARK).touch()
        client = self.client
        name = f"127.0.0.1:{self._port}/{image.repository}@{image.digest}" if image else reference
        found = await self.call(
            lambda: _pull(client, name, architecture), "CannotPullContainerError", _PULL_SECONDS
        )
        platforms.check(found, architecture, self._architecture)
        async with self._ready:
            await self._connect_gateway(name)
        return name

    def labels(self) -> dict[str, str]:
        """What marks everything that belongs to this local cloud."""
        return {LABEL: self._id}

    async def _connect_gateway(self, image: str) -> None:
        client = self.client
        if self._relay is not None:
            with suppress(EngineError):
                await self.call(self._relay.reload, "relay")
                if self._relay.status == "running":
                    return

        self._relay, address = await self.call(
            lambda: relay.start(client, self.network, self._id, image, self._state),
            "ResourceInitializationError: relay to the gateway",
        )
        self.gateway = f"http://{address}:{relay.PORT}"
        for _ in range(50):
            with suppress(OSError, TimeoutError):
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, relay.PORT), 1)
                writer.close()
                return
            await asyncio.sleep(0.1)
        raise EngineError("ResourceInitializationError: the relay to the gateway does not answer")

    async def close(self) -> None:
        """Remove everything that is left."""
        if self.client is not None:
            client = self.client
            try:
                await self.call(lambda: remove_all(client, self._id), "clean-up", 30)
            except EngineError as exc:
                log.warning("containers may be left behind: %s", exc)


def _pull(client: Any, name: str, architecture: str) -> str:
    """Have the image on the engine, for `architecture` if there is one; what it is for."""
    from docker.errors import DockerException, ImageNotFound

    try:
        found = str(client.images.get(name).attrs["Architecture"])
    except ImageNotFound:
        pulled = client.images.pull(name, platform=f"linux/{architecture}")
        return str((pulled[0] if isinstance(pulled, list) else pulled).attrs["Architecture"])
    if found != architecture:
        # Another variant of it may be in the registry; if there is none, the one here says what is wrong.
        with suppress(DockerException, OSError):
            return str(client.images.pull(name, platform=f"linux/{architecture}").attrs["Architecture"])
    return found


def remove_all(client: Any, cloud_id: str) -> None:
    """Remove every container, volume and network of a local cloud. Blocks."""
    from docker.errors import NotFound

    for container in client.containers.list(all=True, filters={"label": f"{LABEL}={cloud_id}"}):
        with suppress(NotFound):
            container.remove(force=True, v=True)
    for volume in client.volumes.list(filters={"label": f"{LABEL}={cloud_id}"}):
        with suppress(NotFound):
            volume.remove(force=True)
    for network in client.networks.list(filters={"label": f"{LABEL}={cloud_id}"}):
        with suppress(NotFound):
            network.remove()


def sweep(cloud_id: str) -> None:
    """Remove what a killed local cloud left on the engine; a warning when it does not answer. Blocks."""
    from docker.errors import DockerException

    try:
        remove_all(connect(_PING_SECONDS), cloud_id)
    except (EngineError, DockerException, OSError) as exc:
        log.warning("containers that may be left behind cannot be removed: %s", exc)
