"""The image's software bill of materials: CycloneDX 1.6 in JSON, made from what really lies in the image.

The same image gives the same bytes: the serial number follows from the configuration's digest, the timestamp
from the image.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from stack.image import archive, packages
from stack.image.archive import Archive
from stack.terminal import Terminal

MEDIA_TYPE = "application/vnd.cyclonedx+json"
CONFIG_DIGEST = "echo-room:image:config-digest"
_LABELS = "org.opencontainers.image."
# Serial numbers are version 5 UUIDs of configuration digests in this namespace.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/echo-room-on-ecs/image-config")


def path(root: Path, tag: str) -> Path:
    """Where the SBOM of the image with this tag is kept."""
    return root / ".state" / "images" / f"{tag}.cdx.json"


def config_digest(text: str) -> str:
    """The digest of the image configuration that an SBOM describes; empty where the text is none of ours."""
    try:
        properties = json.loads(text)["metadata"]["component"]["properties"]
        return next(str(one["value"]) for one in properties if one["name"] == CONFIG_DIGEST)
    except (ValueError, KeyError, TypeError, StopIteration):
        return ""


def ensure(root: Path, image: str, terminal: Terminal) -> Path:
    """Write the SBOM of the local image `name:tag` unless it is there; its path. Raises a ToolError."""
    file = path(root, image.rsplit(":", 1)[-1])
    if file.exists() and config_digest(file.read_text()) == _engine_id(image):
        terminal.say(f"Its SBOM is {file}")
        return file
    with archive.opened(image) as opened:
        text = make(image, opened)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all, also where two commands write it at once.
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(file)
    count = len(json.loads(text).get("components", []))
    terminal.say(f"Wrote its SBOM, {count} components: {file}")
    return file


def _engine_id(image: str) -> str:
    """The engine's name for the image: its configuration's digest, but a manifest's in containerd's store."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", image],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def make(image: str, opened: Archive) -> str:
    """The SBOM of an open image, named `name:tag`, as JSON."""
    name, _, tag = image.rpartition(":")
    settings: dict[str, Any] = opened.config.get("config") or {}
    labels: dict[str, str] = settings.get("Labels") or {}
    environment = dict(pair.split("=", 1) for pair in settings.get("Env") or [] if "=" in pair)
    found = packages.components(opened.files(packages.tells), environment)
    purl = PackageURL(
        "generic", None, name.rsplit("/", 1)[-1], tag, {"arch": opened.config.get("architecture", "")}
    )
    licence = labels.get(f"{_LABELS}licenses")
    service = Component(
        type=ComponentType.CONTAINER,
        name=name.rsplit("/", 1)[-1],
        version=tag,
        description=labels.get(f"{_LABELS}description"),
        purl=purl,
        bom_ref=str(purl),
        licenses=[packages.LICENSES.make_from_string(licence)] if licence else [],
        properties=[Property(name=CONFIG_DIGEST, value=opened.config_digest)],
    )
    bom = Bom(components=found, serial_number=uuid.uuid5(_NAMESPACE, opened.config_digest))
    bom.metadata.timestamp = _created(opened.config, labels)
    bom.metadata.component = service
    bom.metadata.tools.components.add(this_component())
    bom.register_dependency(service, found)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _created(config: dict[str, Any], labels: dict[str, str]) -> datetime:
    """When the image was made: its label, else SOURCE_DATE_EPOCH, else what the engine wrote down."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    for text in (labels.get(f"{_LABELS}created", ""), epoch, config.get("created", "")):
        try:
            moment = (
                datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
            )
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
    return datetime.fromtimestamp(0, UTC)
