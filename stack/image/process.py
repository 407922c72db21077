"""The image for processes: a real OCI image with app/ as its one layer, pushed over the registry's HTTP API.

It is made where no Docker engine is; an endpoint that runs images as processes unpacks it.
"""

from __future__ import annotations

import gzip
import io
import platform
import tarfile
from pathlib import Path

from stack.files.processor import IN_IMAGES, of_this_machine
from stack.image import dockerfile, inputs, registry
from stack.image.registry import Repository

RUNTIME_LABEL = "io.echo-room.runtime"


def layer(root: Path) -> tuple[bytes, str]:
    """Pack app/ as srv/app/; return the compressed tar and the digest of the uncompressed one.

    The same files give the same bytes: no times, no owners, sorted.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in inputs.sources(root):
            content = file.read_bytes()
            entry = tarfile.TarInfo(f"srv/{file.relative_to(root).as_posix()}")
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    plain = packed.getvalue()
    return gzip.compress(plain, mtime=0), registry.digest(plain)


def build(root: Path, version: str) -> tuple[bytes, list[bytes]]:
    """Make the image; return its manifest and the blobs it refers to."""
    compressed, uncompressed_digest = layer(root)
    configuration = dockerfile.read(root / "docker" / "Dockerfile", version)
    configuration.labels[RUNTIME_LABEL] = "process"
    config = registry.encoded(
        {
            "architecture": IN_IMAGES.get(of_this_machine(), platform.machine()),
            "os": "linux",
            "config": configuration.as_oci(),
            "rootfs": {"type": "layers", "diff_ids": [uncompressed_digest]},
        }
    )
    manifest = registry.encoded(
        {
            "schemaVersion": 2,
            "mediaType": registry.MANIFEST,
            "config": registry.described(registry.CONFIG, config),
            "layers": [registry.described(registry.LAYER, compressed)],
        }
    )
    return manifest, [config, compressed]


def push(repository: Repository, tag: str, manifest: bytes, blobs: list[bytes]) -> None:
    """Push the image under its tag. Raises a ToolError."""
    for blob in blobs:
        repository.put_blob(blob)
    repository.put_manifest(tag, manifest)
