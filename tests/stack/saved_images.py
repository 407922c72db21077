"""Small images: as `docker save` writes them, given by a stand-in for docker, or built by an engine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

# Path in the image -> content, or None for a folder.
Layer = dict[str, bytes | None]


def packed(files: Layer) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content or b""))
    return made.getvalue()


def save(path: Path, layers: list[Layer], config: dict[str, Any] | None = None) -> str:
    """Write an archive as `docker save` does; return the digest of its configuration."""
    blobs = [packed(layer) for layer in layers]
    encoded = json.dumps({"architecture": "arm64", "os": "linux", **(config or {})}).encode()
    digests = [hashlib.sha256(blob).hexdigest() for blob in (encoded, *blobs)]
    names = [f"blobs/sha256/{digest}" for digest in digests]
    manifest = json.dumps([{"Config": names[0], "RepoTags": None, "Layers": names[1:]}]).encode()
    parts: Layer = {"manifest.json": manifest, names[0]: encoded, **dict(zip(names[1:], blobs, strict=True))}
    path.write_bytes(packed(parts))
    return f"sha256:{digests[0]}"


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, archive: Path, identity: str) -> Path:
    """Put a `docker` first in PATH that saves `archive` and knows one image; returns the log of its calls."""
    folder.mkdir()
    log = folder / "calls"
    script = folder / "docker"
    script.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\n'
        f'case "$1" in save) cp {archive} "$3" ;; image) echo {identity} ;; *) exit 0 ;; esac\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def build(tag: str, files: Layer, dockerfile: str, *options: str) -> None:
    """Build an image in the real engine from files and a Dockerfile."""
    context = packed({**files, "Dockerfile": dockerfile.encode()})
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, *options, "-"],
        input=context,
        capture_output=True,
        check=True,
    )


def remove(tag: str) -> None:
    subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)
