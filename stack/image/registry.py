"""One repository of a registry over its HTTP API (OCI Distribution 1.1): blobs, manifests, referrers."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.outside import web

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
_KINDS = ", ".join(
    (
        MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_REDIRECTS = 5


def digest(content: bytes) -> str:
    """`sha256:` and the hexadecimal digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(kind: str, content: bytes) -> dict[str, Any]:
    """The descriptor of a blob or a manifest."""
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def encoded(document: Mapping[str, Any]) -> bytes:
    """A manifest or configuration as JSON; equal documents give equal bytes, and so one digest."""
    return json.dumps(document, sort_keys=True).encode()


class Repository:
    """A repository that one may push to. Methods raise a ToolError with what the registry said."""

    def __init__(self, cloud: Cloud, uri: str) -> None:
        """`uri` is ECR's address of the repository. An endpoint of our own serves its registry itself."""
        token = cloud.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        if base64.b64decode(token)[:4] != b"AWS:":
            raise ToolError(f"{cloud.where}: ECR's authorization token is not one.")
        host, _, name = uri.partition("/")
        self.base = f"{cloud.url or f'https://{host}'}/v2/{name}"
        self._authorization = {"Authorization": f"Basic {token}"}

    def put_blob(self, content: bytes) -> None:
        """Upload a blob unless the repository has it."""
        wanted = digest(content)
        if self._send("HEAD", f"{self.base}/blobs/{wanted}").status == 200:
            return
        begun = self._send("POST", f"{self.base}/blobs/uploads/", b"")
        self._expect(begun, (202,), "starting an upload")
        location = urljoin(f"{self.base}/", begun.headers["location"])
        joint = "&" if "?" in location else "?"
        sent = self._send(
            "PUT",
            f"{location}{joint}digest={wanted}",
            content,
            {"Content-Type": "application/octet-stream"},
        )
        self._expect(sent, (201,), f"uploading {wanted}")

    def blob(self, wanted: str) -> bytes:
        """A blob by its digest, checked against it."""
        answer = self._send("GET", f"{self.base}/blobs/{wanted}")
        self._expect(answer, (200,), f"reading {wanted}")
        if digest(answer.body) != wanted:
            raise ToolError(f"{self.base} gave something else than {wanted}.")
        return answer.body

    def manifest(self, reference: str) -> tuple[str, bytes] | None:
        """The media type and bytes of a manifest, by tag or digest; None where there is none."""
        answer = self._send("GET", f"{self.base}/manifests/{reference}", headers={"Accept": _KINDS})
        if answer.status == 404:
            return None
        self._expect(answer, (200,), f"reading the manifest {reference}")
        return answer.headers.get("content-type", MANIFEST), answer.body

    def put_manifest(self, reference: str, manifest: bytes) -> None:
        """Push an OCI manifest under a tag or its digest; its blobs have to be there."""
        sent = self._send("PUT", f"{self.base}/manifests/{reference}", manifest, {"Content-Type": MANIFEST})
        self._expect(sent, (201,), f"pushing the manifest {reference}")

    def _send(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> web.Answer:
        """Send a request and follow redirects; only the registry's own host sees the credentials."""
        for _ in range(_REDIRECTS):
            own = urlsplit(url)[:2] == urlsplit(self.base)[:2]
            sent = {**(headers or {}), **(self._authorization if own else {})}
            try:
                answer = web.request(method, url, body, sent, seconds=60)
            except (OSError, http.client.HTTPException) as error:
                raise ToolError(f"{self.base} does not answer: {error}") from error
            if answer.status not in (301, 302, 307, 308) or "location" not in answer.headers:
                return answer
            url = urljoin(url, answer.headers["location"])
        raise ToolError(f"{self.base} redirects more than {_REDIRECTS} times.")

    def _expect(self, answer: web.Answer, statuses: tuple[int, ...], what: str) -> None:
        if answer.status not in statuses:
            said = answer.body.decode("utf-8", "replace")[:300]
            raise ToolError(f"{self.base} answered {answer.status} on {what}: {said}")
