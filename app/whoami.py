"""`GET /whoami`: which task answered. On ECS from the task metadata endpoint v4, read once at start."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.gate import Gate
from app.http import Request, Response, other_method

log = logging.getLogger("app.whoami")

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
# The endpoint is on the same host; a start must not wait for it for long.
TIMEOUT_SECONDS = 0.5
_MOST_BYTES = 256 * 1024
_HEADERS = [(b"content-type", b"application/json")]


@dataclass(frozen=True)
class Task:
    """The ECS task this process runs in; None for what is not known (not on ECS)."""

    zone: str | None = None
    task: str | None = None
    revision: str | None = None
    image: str | None = None


def read_task(environ: Mapping[str, str]) -> Task:
    """The task that the metadata endpoint describes; an empty one where none answers."""
    address = environ.get(VARIABLE)
    if not address:
        return Task()
    try:
        return describe(_get(address), _get(f"{address}/task"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        log.warning(
            "the task metadata endpoint %s could not be read: %s", address, error or type(error).__name__
        )
        return Task()


def describe(container: Mapping[str, Any], task: Mapping[str, Any]) -> Task:
    """A task from the endpoint's answers for the container and for the task."""
    family, revision = task.get("Family"), task.get("Revision")
    # `Image` is what the task definition says: by digest, it names the manifest that the registry knows.
    # `ImageID` is, with most agents, the digest of the image's configuration: second best.
    _, _, digest = str(container.get("Image") or "").partition("@")
    return Task(
        zone=task.get("AvailabilityZone") or None,
        task=str(task.get("TaskARN") or "").rpartition("/")[2] or None,
        revision=f"{family}:{revision}" if family and revision else None,
        image=digest or container.get("ImageID") or None,
    )


def _get(address: str) -> dict[str, Any]:
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not an http address")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read(_MOST_BYTES)
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


class Whoami:
    """Answers for one process."""

    def __init__(self, task: Task, version: str) -> None:
        self._task = task
        self._version = version
        self._started = time.monotonic()

    async def __call__(self, request: Request, gate: Gate) -> Response:
        """Answer one request. Raises Problem (401, 405, 429, 503)."""
        if request.method not in ("GET", "HEAD"):
            return other_method(request, "GET", "GET, HEAD, OPTIONS")
        await gate.admit_bearer(request)
        task = self._task
        members = {
            "zone": task.zone,
            "task": task.task,
            "revision": task.revision,
            "image": task.image,
            "version": self._version,
            "uptime_seconds": round(time.monotonic() - self._started, 3),
        }
        return 200, _HEADERS, json.dumps(members).encode()
