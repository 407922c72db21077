"""Images of the gateway's registry: looked up by reference, and unpacked where they run as processes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from localcloud import emulator

#: An image with this label runs as processes of the host, without a container engine.
RUNTIME_LABEL = "io.echo-room.runtime"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_REFERENCE = re.compile(
    r"(?P<host>[^/]+)/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


class CannotPullError(Exception):
    """An image that cannot be had; the message is the task's stopped reason."""


@dataclass(frozen=True)
class Image:
    """An image as the registry describes it. `config` is the OCI image configuration."""

    repository: str
    digest: str
    config: dict[str, Any]
    layers: tuple[str, ...]

    @property
    def is_process(self) -> bool:
        """Whether it is made to run as processes of the host."""
        return (self.settings.get("Labels") or {}).get(RUNTIME_LABEL) == "process"

    @property
    def architecture(self) -> str:
        """The processor it is for, such as "amd64"."""
        return str(self.config.get("architecture") or "")

    @property
    def settings(self) -> dict[str, Any]:
        """Env, Entrypoint, Cmd, WorkingDir, ... of the configuration."""
        found: dict[str, Any] = self.config.get("config") or {}
        return found


def look_up(reference: str, port: int, architecture: str) -> Image | None:
    """The image, None when the reference is not one of the gateway's registry.

    Of an index, the image for `architecture`. Needs the request's account and region to be set. Raises
    CannotPullError when the registry lacks it.
    """
    found = _REFERENCE.match(reference)
    if not found or found["host"] not in (f"127.0.0.1:{port}", f"localhost:{port}"):
        return None
    ecr = emulator.module("services.ecr")
    name, ref = found["name"], found["digest"] or found["tag"] or "latest"
    digest, raw, _ = ecr._resolve_manifest(name, ref)
    if raw is None:
        raise CannotPullError(f"CannotPullContainerError: failed to resolve ref {reference}: not found")
    manifest = json.loads(raw)
    if "manifests" in manifest:
        digest = _for(architecture, manifest["manifests"])
        _, raw, _ = ecr._resolve_manifest(name, digest)
        if raw is None:
            raise CannotPullError(
                f"CannotPullContainerError: failed to resolve ref {name}@{digest}: not found"
            )
        manifest = json.loads(raw)
    config = json.loads(_blob(name, manifest["config"]["digest"]))
    return Image(name, digest, config, tuple(layer["digest"] for layer in manifest["layers"]))


def no_platform(architecture: str, why: str) -> CannotPullError:
    """There is no such image for an architecture, in the words that Fargate has for it."""
    return CannotPullError(
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest does not "
        f"contain descriptor matching platform 'linux/{architecture}' ({why})"
    )


def _for(architecture: str, manifests: list[dict[str, Any]]) -> str:
    """The digest of an index's image for an architecture. Raises CannotPullError."""
    found = {(one.get("platform") or {}).get("architecture"): str(one["digest"]) for one in manifests}
    if architecture not in found:
        known = ", ".join(sorted(f"linux/{name}" for name in found if name))
        raise no_platform(architecture, f"the index has {known}")
    return found[architecture]


def _blob(repository: str, digest: str) -> bytes:
    status, _, body = emulator.module("services.ecr")._v2_get_blob(repository, digest)
    if status != 200:
        raise CannotPullError(f"CannotPullContainerError: blob {digest} of {repository} is missing")
    content = bytes(body)
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise CannotPullError(f"CannotPullContainerError: blob {digest} of {repository} is damaged")
    return content


def unpack(image: Image, directory: Path) -> Path:
    """The image's file system below `directory`, unpacked once; returns its root.

    What would land outside of the root is refused. Raises CannotPullError.
    """
    if not _DIGEST.match(image.digest):
        raise CannotPullError(f"CannotPullContainerError: {image.digest} is not a digest")
    root = directory / image.digest.removeprefix("sha256:")
    if root.exists():
        return root
    directory.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=directory))
    try:
        for layer in image.layers:
            with tarfile.open(fileobj=BytesIO(_blob(image.repository, layer)), mode="r:*") as archive:
                for member in archive:
                    extract(archive, member, partial)
        partial.rename(root)
    except (tarfile.TarError, OSError) as exc:
        shutil.rmtree(partial, ignore_errors=True)
        if root.exists():
            return root
        raise CannotPullError(f"CannotPullContainerError: {image.digest} cannot be unpacked: {exc}") from exc
    return root


def extract(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """Write one member below `root`. Files and folders only: nothing else belongs in a process image.

    Not tarfile's own data filter: Python 3.11 has it from 3.11.4 on, and Debian 12 ships 3.11.2.
    """
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"{member.name} lies outside of the image")
    target = root / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isreg() and (content := archive.extractfile(member)):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
    else:
        raise tarfile.TarError(f"{member.name} is neither a file nor a folder")
