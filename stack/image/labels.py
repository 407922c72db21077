"""What an image in the environment's repository says of itself: the labels of its configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.image.registry import Repository

_PREFIX = "org.opencontainers.image."
# What the build writes outside of a Git checkout.
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Labels:
    """The version and the commit that an image was built from; "" where it does not say."""

    version: str
    revision: str


def read(cloud: Cloud, uri: str, digest: str) -> Labels:
    """Read them from the repository at `uri`. Raises a ToolError, and botocore's errors."""
    repository = Repository(cloud, uri)
    found = repository.manifest(digest)
    if found is None:
        raise ToolError(f"{uri} does not have {digest} any more.")
    try:
        config = json.loads(repository.blob(json.loads(found[1])["config"]["digest"]))
        labels = config["config"].get("Labels") or {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"{uri}@{digest} is no image with a configuration.") from error
    version, revision = (labels.get(f"{_PREFIX}{name}", "") for name in ("version", "revision"))
    return Labels(version, "" if revision == _UNKNOWN else revision)
