"""The SBOM in the registry, as an OCI 1.1 artifact that refers to the image and needs no tag.

`oras discover` and ECR's ListImageReferrers find it by its `subject`.
"""

from __future__ import annotations

import json
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.image import registry, sbom
from stack.image.registry import Repository
from stack.terminal import Terminal

_EMPTY = b"{}"


def attach(cloud: Cloud, uri: str, image: str, file: Path, terminal: Terminal) -> None:
    """Attach an SBOM file to the image with the digest `image`, unless it is attached already.

    A deployment does not depend on it: what goes wrong is said, and that is all.
    """
    try:
        done = _attach(Repository(cloud, uri), image, file.read_bytes())
    except (ToolError, ClientError, BotoCoreError, OSError, ValueError, KeyError) as error:
        said = error.message if isinstance(error, ToolError) else repr(error)
        terminal.notice(f"the SBOM {file.name} could not be attached to the image: {said}")
    else:
        if done:
            terminal.say(f"Attached its SBOM as {done}")


def _attach(repository: Repository, image: str, content: bytes) -> str:
    """Push the artifact and return its digest; an empty string when it is there."""
    found = repository.manifest(image)
    if found is None:
        raise ToolError(f"{repository.base} has no image {image}.")
    kind, subject = found
    if not _describes(repository, content, subject):
        raise ToolError("it describes another build than the one in the registry.")
    artifact = _artifact(kind, subject, content)
    name = registry.digest(artifact)
    if repository.manifest(name) is not None:
        return ""
    for blob in (_EMPTY, content):
        repository.put_blob(blob)
    repository.put_manifest(name, artifact)
    return name


def _describes(repository: Repository, content: bytes, subject: bytes) -> bool:
    """Whether the SBOM is of this image: of its configuration, or of one that its index names."""
    wanted = sbom.config_digest(content.decode())
    manifest = json.loads(subject)
    children = [repository.manifest(one["digest"]) for one in manifest.get("manifests", [])]
    images = [manifest, *(json.loads(child[1]) for child in children if child)]
    return wanted in [one["config"]["digest"] for one in images if "config" in one]


def _artifact(kind: str, subject: bytes, content: bytes) -> bytes:
    created = json.loads(content)["metadata"]["timestamp"]
    return registry.encoded(
        {
            "schemaVersion": 2,
            "mediaType": registry.MANIFEST,
            "artifactType": sbom.MEDIA_TYPE,
            "config": registry.described(registry.EMPTY, _EMPTY),
            "layers": [registry.described(sbom.MEDIA_TYPE, content)],
            "subject": registry.described(kind, subject),
            "annotations": {"org.opencontainers.image.created": created},
        }
    )
