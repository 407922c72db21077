"""What an image holds, read from `docker save`: nothing in it is run, so its architecture does not matter."""

from __future__ import annotations

import functools
import hashlib
import json
import posixpath
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stack.errors import ToolError

_GONE = ".wh."
_EMPTIED = ".wh..wh..opq"


@dataclass(frozen=True)
class Entry:
    """A file, link or folder of one layer; `path` is absolute, `layer` counts from 0, the base's lowest."""

    layer: int
    path: str
    is_file: bool
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Archive:
    """An open archive. `config` is the OCI image configuration, `config_digest` its digest (sha256:...)."""

    config: dict[str, Any]
    config_digest: str
    _file: tarfile.TarFile
    _layers: list[str]

    def entries(self) -> Iterator[Entry]:
        """Every entry of every layer, also what a later layer hides: it is shipped all the same."""
        for number, name in enumerate(self._layers):
            with tarfile.open(fileobj=self._file.extractfile(name), mode="r:*") as layer:
                for member in layer:
                    yield Entry(
                        number,
                        posixpath.normpath(f"/{member.name}"),
                        member.isreg() or member.islnk(),
                        functools.partial(_content, layer, member),
                    )

    def files(self, wanted: Callable[[str], object]) -> dict[str, bytes]:
        """The files that a container sees, path -> content, as far as `wanted(path)` is true."""
        found: dict[str, bytes] = {}
        # Whiteouts are about the layers below their own, wherever in the layer they stand.
        hidden: list[str] = []
        fresh: dict[str, bytes] = {}
        number = 0
        for entry in self.entries():
            if entry.layer != number:
                found = {**_without(found, hidden), **fresh}
                hidden, fresh, number = [], {}, entry.layer
            folder, name = posixpath.split(entry.path)
            if name == _EMPTIED:
                hidden.append(f"{folder.rstrip('/')}/")
            elif name.startswith(_GONE):
                path = posixpath.join(folder, name.removeprefix(_GONE))
                hidden += [path, f"{path}/"]
            elif entry.is_file and wanted(entry.path):
                fresh[entry.path] = entry.read()
        return {**_without(found, hidden), **fresh}


def _without(files: dict[str, bytes], hidden: list[str]) -> dict[str, bytes]:
    folders = tuple(path for path in hidden if path.endswith("/"))
    return {
        path: content
        for path, content in files.items()
        if path not in hidden and not path.startswith(folders)
    }


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | str) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise KeyError(member)
    with file:
        return file.read()


@contextmanager
def opened(image: str) -> Iterator[Archive]:
    """Save an image of the local engine to a temporary file and open it. Raises a ToolError."""
    with tempfile.NamedTemporaryFile(prefix="echo-room-image-", suffix=".tar") as file:
        done = subprocess.run(
            ["docker", "save", "--output", file.name, image], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ToolError(
                f"The image {image} could not be read from the Docker engine: {done.stderr.strip()}",
                "See what the engine has: docker images",
            )
        try:
            with tarfile.open(file.name) as archive:
                yield _read(archive)
        except tarfile.TarError as error:
            raise ToolError(f"What `docker save {image}` wrote is not as expected: {error}") from error


def _read(archive: tarfile.TarFile) -> Archive:
    try:
        manifest = json.loads(_content(archive, "manifest.json"))[0]
        config = _content(archive, manifest["Config"])
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        return Archive(json.loads(config), digest, archive, manifest["Layers"] or [])
    except (KeyError, ValueError, IndexError) as error:
        raise tarfile.TarError(f"no image in it ({error!r})") from error
