"""The state directory of a local cloud: what is in it, to whom it belongs, who runs it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from localcloud.endpoint import Endpoint

#: Raised when what is stored changes its shape; a directory of another format is refused, not misread.
FORMAT = 2

DEFAULT_DIR = Path(".state/localcloud")


class StateError(RuntimeError):
    """A state directory that this local cloud cannot use; the message says why and what to do."""


@dataclass(frozen=True)
class StateDir:
    """Paths below the directory that holds everything the local cloud keeps.

    `localcloud.lock` is held with flock(2) by the running process for as long as it lives: the kernel lets
    go of it however the process ends, and a reused process id can never look like a running cloud.
    """

    path: Path

    @classmethod
    def at(cls, path: Path | str) -> StateDir:
        """The directory at `path`, made absolute; nothing is created yet."""
        return cls(Path(path).expanduser().resolve())

    @property
    def log(self) -> Path:
        """The background process's output."""
        return self.path / "localcloud.log"

    @property
    def lock(self) -> Path:
        """Held by the running process; its content is that process's id."""
        return self.path / "localcloud.lock"

    @property
    def start_lock(self) -> Path:
        """Held by a command that starts or stops the process, so that two cannot do so at once."""
        return self.path / "start.lock"

    @property
    def meta(self) -> Path:
        """Which version and address the directory belongs to, and its id."""
        return self.path / "cloud.json"

    @property
    def emulator(self) -> Path:
        """One JSON file per service."""
        return self.path / "emulator"

    @property
    def objects(self) -> Path:
        """S3 objects."""
        return self.path / "s3"

    @property
    def blobs(self) -> Path:
        """Layers and configurations of container images, by digest."""
        return self.path / "ecr"

    @property
    def journals(self) -> Path:
        """What tables with point-in-time recovery were before, a directory each."""
        return self.path / "dynamodb"

    @property
    def certificates(self) -> Path:
        """The throwaway certificate authority, and every certificate with its key."""
        return self.path / "certificates"

    @property
    def authority(self) -> Path:
        """What a client trusts to call an HTTPS listener: the authority's certificate."""
        return self.certificates / "authority.pem"

    def read_meta(self) -> dict[str, Any]:
        """The content of cloud.json, `{}` when there is none yet."""
        try:
            found = json.loads(self.meta.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as exc:
            raise StateError(f"{self.meta} is damaged ({exc}). Remove {self.path} to start afresh.") from exc
        if not isinstance(found, dict):
            raise StateError(f"{self.meta} is damaged. Remove {self.path} to start afresh.")
        return found

    def check(self, endpoint: Endpoint) -> dict[str, Any]:
        """Refuse a directory of another format, another emulator or another address; returns cloud.json."""
        meta = self.read_meta()
        if not meta:
            if self.emulator.exists():
                raise StateError(f"{self.path} has state but no {self.meta.name}. Remove it to start afresh.")
            return meta
        emulator = version("ministack")
        if meta.get("format") != FORMAT or meta.get("ministack") != emulator:
            raise StateError(
                f"{self.path} was written by another version (format {meta.get('format')}, MiniStack "
                f"{meta.get('ministack')}; this is format {FORMAT}, MiniStack {emulator}). Delete it with "
                f"`python -m localcloud reset --state-dir {self.path}`, or name another with --state-dir."
            )
        if meta.get("endpoint") != endpoint.url:
            raise StateError(
                f"{self.path} belongs to {meta.get('endpoint')}, not to {endpoint.url}: the addresses of its "
                f"image repositories hold the port. Use that endpoint, or name another --state-dir."
            )
        return meta

    def prepare(self, endpoint: Endpoint) -> str:
        """Create what is missing and return the directory's id, which labels what the cloud starts."""
        meta = self.check(endpoint)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not meta:
            meta = {
                "format": FORMAT,
                "ministack": version("ministack"),
                "endpoint": endpoint.url,
                "id": uuid.uuid4().hex[:12],
            }
            write_atomically(self.meta, json.dumps(meta, indent=2).encode())
        for directory in (self.emulator, self.objects, self.blobs):
            directory.mkdir(mode=0o700, exist_ok=True)
        return str(meta["id"])

    def running_pid(self) -> int | None:
        """The id of the process that runs from this directory, None when none does."""
        try:
            with self.lock.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    content = file.read().strip()
                    return int(content) if content.isdigit() else 0
        except FileNotFoundError:
            pass
        return None

    def claim(self) -> IO[str]:
        """Become the process that runs from this directory; keep the returned file open.

        Raises StateError when another process is.
        """
        file = self.lock.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.close()
            raise StateError(
                f"a local cloud already runs from {self.path} (process {self.running_pid()})."
            ) from exc
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Wait until no other command starts or stops the process, and keep others waiting meanwhile."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.start_lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log, for an error message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 16384))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log yet)"

    def delete(self) -> None:
        """Remove the directory and everything in it."""
        shutil.rmtree(self.path)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` so that a reader, or a crash, sees the old content or the new, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
