"""Containers as processes of the host, each task on a loopback address of its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcloud.ecs import supervisor
from localcloud.ecs.images import Image

_PYTHONS = frozenset({"python", "python3"})


def free_address(ports: list[int]) -> tuple[str, dict[int, int]]:
    """A loopback address on which `ports` are free, and which port stands for which.

    Where 127.0.0.0/8 is not all there (macOS has 127.0.0.1 only), it is 127.0.0.1 with other ports: an
    environment value that is exactly a container port is then replaced as well.
    """
    for _ in range(200):
        address = f"127.1.{random.randint(0, 254)}.{random.randint(1, 254)}"  # noqa: S311 - an address
        try:
            for port in ports or [0]:
                with socket.socket() as probe:
                    probe.bind((address, port))
        except PermissionError:
            break
        except OSError as exc:
            if exc.errno == 49 or "assign" in str(exc):
                break
            continue
        return address, {port: port for port in ports}
    mapped = {}
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            mapped[port] = probe.getsockname()[1]
    return "127.0.0.1", mapped


class ProcessContainer:
    """One container of a task, run as a process under a supervisor."""

    def __init__(self, name: str, image: Image, root: Path, record: Path) -> None:
        self.name = name
        self.runtime_id = record.stem
        self.reason = ""
        self._image = image
        self._root = root
        self._record = record
        self._process: asyncio.subprocess.Process | None = None
        self._environment: dict[str, str] = {}
        self._directory = root
        self._home = ""

    async def start(
        self,
        definition: dict[str, Any],
        environment: dict[str, str],
        address: str,
        ports: dict[int, int],
        output: Callable[[bytes], None],
    ) -> str:
        """Start it; `output` gets what it writes. Returns its address. Raises OSError."""
        settings = self._image.settings
        entrypoint = definition.get("entryPoint") or settings.get("Entrypoint") or []
        given = definition.get("command")
        if given is None:
            given = [] if definition.get("entryPoint") else settings.get("Cmd") or []
        command = self.translate([*entrypoint, *given])
        self._home = tempfile.mkdtemp(prefix=supervisor.HOME_PREFIX)
        merged = dict(item.split("=", 1) for item in settings.get("Env") or [] if "=" in item)
        merged.update(environment)
        moved = {str(old): str(new) for old, new in ports.items() if old != new}
        merged = {
            name: address if value == "0.0.0.0" else moved.get(value, value)  # noqa: S104 - replaced
            for name, value in merged.items()
        }
        merged.pop("PYTHONHOME", None)
        merged.pop("LD_LIBRARY_PATH", None)
        linux = definition.get("linuxParameters") or {}
        points = [*(definition.get("mountPoints") or []), *(linux.get("tmpfs") or [])]
        paths = [str(point["containerPath"]).rstrip("/") for point in points]
        folders = {path: self._scratch(number) for number, path in enumerate(paths)}
        merged = {name: _moved(value, folders) for name, value in merged.items()}
        merged.update(PATH=os.environ.get("PATH", os.defpath), HOME=self._home)
        merged["TMPDIR"] = folders.get("/tmp", self._home)  # noqa: S108 - a private folder
        self._environment = merged
        workdir = definition.get("workingDirectory") or settings.get("WorkingDir") or "/"
        self._directory = self._root / str(workdir).lstrip("/")
        self._record.parent.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(Path(supervisor.__file__)),
            str(self._record),
            str(self._directory),
            self._home,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=merged,
            start_new_session=True,
        )
        self._reading = asyncio.get_running_loop().create_task(self._read(output))
        return address

    def _scratch(self, number: int) -> str:
        """A private folder in the place of a volume or of a file system in memory."""
        folder = Path(self._home) / "volumes" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def translate(self, command: list[str]) -> list[str]:
        """The command for the host: its Python for the image's, the image's paths below the root."""
        if not command:
            raise OSError("the image has neither an entry point nor a command")
        first = command[0]
        if Path(first).name in _PYTHONS or Path(first).name.startswith("python3."):
            return [sys.executable, *command[1:]]
        if first.startswith("/") and (self._root / first.lstrip("/")).exists():
            return [str(self._root / first.lstrip("/")), *command[1:]]
        return command

    async def _read(self, output: Callable[[bytes], None]) -> None:
        stream = self._process.stdout if self._process else None
        while stream and (data := await stream.read(65536)):
            output(data)

    async def wait(self) -> int:
        """Its exit code, once it ended and its output was read."""
        if self._process is None:
            return 1
        code = await self._process.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._reading, 1)
        return code

    async def stop(self, seconds: float) -> None:
        """SIGTERM; SIGKILL to all of its processes if it is still there after `seconds`."""
        self._tell(b"T")
        process = self._process
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self._tell(b"K")
            await process.wait()

    async def kill(self) -> None:
        """SIGKILL to all of its processes."""
        self._tell(b"K")

    def _tell(self, what: bytes) -> None:
        if self._process and self._process.returncode is None and self._process.stdin:
            with suppress(OSError, RuntimeError):
                self._process.stdin.write(what)

    async def execute(self, command: list[str], seconds: float) -> int:
        """Run a command beside it; its exit code. Raises TimeoutError after `seconds`."""
        process = await asyncio.create_subprocess_exec(
            *self.translate(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
            cwd=self._directory,
            start_new_session=True,
        )
        try:
            return await asyncio.wait_for(process.wait(), seconds)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _moved(value: str, folders: dict[str, str]) -> str:
    """A path on a volume where that is here; any other value as it is."""
    for path, folder in folders.items():
        if value == path or value.startswith(f"{path}/"):
            return folder + value[len(path) :]
    return value


def sweep(records: Path, seconds: float = 5.0) -> int:
    """End the processes that a local cloud left when it was killed; returns how many there were.

    A supervisor notices by itself, so they are given a moment first. A process id alone is not trusted: its
    start time must be the recorded one.
    """
    found = 0
    for record in sorted(records.glob("*.json")):
        try:
            pids = {int(pid): started for pid, started in json.loads(record.read_text()).items()}
        except (OSError, ValueError):
            pids = {}
        deadline = time.monotonic() + seconds
        alive = _alive(pids)
        found += bool(alive)
        while alive and time.monotonic() < deadline:
            time.sleep(0.05)
            alive = _alive(pids)
        for pid in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        record.unlink(missing_ok=True)
    return found


def _alive(pids: dict[int, str]) -> list[int]:
    return [pid for pid, started in pids.items() if started and supervisor.start_time(pid) == started]
