"""The image for processes: a real OCI image with app/ as its one layer, pushed over the registry's HTTP API.

It is made where no Docker engine is; an endpoint that runs images as processes unpacks it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import io
import json
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from stack import web
from stack.clients import Cloud
from stack.errors import ToolError
from stack.image import dockerfile, inputs

RUNTIME_LABEL = "io.echo-room.runtime"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


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
    return gzip.compress(plain, mtime=0), _digest(plain)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _described(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def build(root: Path, version: str) -> tuple[bytes, list[bytes]]:
    """Make the image; return its manifest and the blobs it refers to."""
    compressed, uncompressed_digest = layer(root)
    configuration = dockerfile.read(root / "docker" / "Dockerfile", version)
    configuration.labels[RUNTIME_LABEL] = "process"
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": configuration.as_oci(),
            "rootfs": {"type": "layers", "diff_ids": [uncompressed_digest]},
        },
        sort_keys=True,
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described(_CONFIG, config),
            "layers": [_described(_LAYER, compressed)],
        },
        sort_keys=True,
    ).encode()
    return manifest, [config, compressed]


def push(cloud: Cloud, repository: str, tag: str, manifest: bytes, blobs: list[bytes]) -> str:
    """Push the image to the endpoint's registry and return the manifest's digest. Raises a ToolError."""
    token = cloud.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    authorization = {"Authorization": f"Basic {token}"}
    if base64.b64decode(token)[:4] != b"AWS:":
        raise ToolError(f"{cloud.url}: ECR's authorization token is not one.")
    base = f"{cloud.url}/v2/{repository}"
    try:
        for blob in blobs:
            _push_blob(base, blob, authorization)
        _expect(
            web.request(
                "PUT", f"{base}/manifests/{tag}", manifest, {**authorization, "Content-Type": _MANIFEST}
            ),
            (201,),
            f"pushing the manifest {tag} to {repository}",
        )
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"Pushing to {base} failed: {error}") from error
    return _digest(manifest)


def _push_blob(base: str, blob: bytes, headers: dict[str, str]) -> None:
    digest = _digest(blob)
    if web.request("HEAD", f"{base}/blobs/{digest}", headers=headers).status == 200:
        return
    begun = web.request("POST", f"{base}/blobs/uploads/", b"", headers)
    _expect(begun, (202,), f"starting an upload at {base}")
    location = urljoin(f"{base}/", begun.headers["location"])
    joint = "&" if "?" in location else "?"
    sent = web.request(
        "PUT",
        f"{location}{joint}digest={digest}",
        blob,
        {**headers, "Content-Type": "application/octet-stream"},
    )
    _expect(sent, (201,), f"uploading {digest} to {base}")


def _expect(answer: web.Answer, statuses: tuple[int, ...], what: str) -> None:
    if answer.status not in statuses:
        said = answer.body.decode("utf-8", "replace")[:300]
        raise ToolError(f"The registry answered {answer.status} on {what}: {said}")
