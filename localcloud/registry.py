"""ECR: repositories at the gateway's own address, and layers in files instead of in memory.

An image is pushed to and pulled from `127.0.0.1:<port>/<repository>`. A layer is written to its file before
its upload is acknowledged, and MiniStack's saved state names only manifests and tags. Artifacts that refer to
an image (an SBOM) are listed as ECR does, by the referrers API of OCI Distribution 1.1.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from localcloud import emulator
from localcloud.endpoint import LOOPBACK, Endpoint
from localcloud.state import write_atomically

_INDEX = "application/vnd.oci.image.index.v1+json"
_REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})")


def _ecr() -> Any:
    return emulator.module("services.ecr")


class RepositoryBlobs(MutableMapping[str, bytes]):
    """The blobs of one repository by digest, each a file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _path(self, digest: str) -> Path:
        return self._directory / quote(digest, safe="")

    def __getitem__(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise KeyError(digest) from None

    def __setitem__(self, digest: str, content: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(digest), content)

    def __delitem__(self, digest: str) -> None:
        try:
            self._path(digest).unlink()
        except FileNotFoundError:
            raise KeyError(digest) from None

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self._path(digest).exists()

    def __iter__(self) -> Iterator[str]:
        if self._directory.exists():
            yield from (unquote(path.name) for path in self._directory.iterdir() if path.suffix != ".tmp")

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def size(self, digest: str) -> int:
        """Bytes of a blob, 0 for one that is not there."""
        path = self._path(digest)
        return path.stat().st_size if path.exists() else 0


class Blobs:
    """Stands in for MiniStack's store of layers: repository -> its blobs, in the request's region."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _of(self, name: str) -> RepositoryBlobs:
        responses = emulator.module("core.responses")
        scope = self._directory / str(responses.get_account_id()) / str(responses.get_region())
        return RepositoryBlobs(scope / quote(name, safe=""))

    def get(self, name: str, default: object = None) -> RepositoryBlobs:
        """The repository's blobs; an unknown repository has none."""
        del default
        return self._of(name)

    def setdefault(self, name: str, default: object = None) -> RepositoryBlobs:
        """The repository's blobs, to add to."""
        del default
        return self._of(name)

    def pop(self, name: str, default: object = None) -> object:
        """Forget a repository."""
        shutil.rmtree(self._of(name)._directory, ignore_errors=True)
        return default

    def clear(self) -> None:
        """Forget every repository."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        # What is saved of the layers is their files.
        return {}


def install(directory: Path, endpoint: Endpoint) -> None:
    """Install the corrections; layers go below `directory`."""
    ecr = _ecr()
    ecr._layer_blobs = Blobs(directory)
    ecr._repo_uri = lambda name: f"{LOOPBACK}:{endpoint.port}/{name}"

    token = ecr._get_authorization_token

    def token_for_gateway(request: dict[str, Any]) -> Any:
        status, headers, body = token(request)
        answer = json.loads(body)
        for data in answer["authorizationData"]:
            data["proxyEndpoint"] = endpoint.url
        return status, headers, json.dumps(answer).encode()

    ecr._get_authorization_token = token_for_gateway

    delete = ecr._delete_repository

    def delete_with_layers(request: dict[str, Any]) -> Any:
        answer = delete(request)
        if answer[0] == 200:
            ecr._layer_blobs.pop(request["repositoryName"])
            ecr._manifest_blobs.pop(request["repositoryName"], None)
        return answer

    ecr._delete_repository = delete_with_layers
    ecr._describe_images = _describing(ecr._describe_images)
    ecr._v2_put_manifest = _checking(ecr._v2_put_manifest)
    ecr.handle_registry_request = _with_referrers(ecr.handle_registry_request)
    app = emulator.module("app")
    known = app._is_ecr_registry_path
    app._is_ecr_registry_path = lambda path: known(path) or bool(_REFERRERS.fullmatch(path))


def _describing(describe: Any) -> Any:
    """DescribeImages that refuses unknown images and gives an image's size, not its manifest's."""

    def describe_images(request: dict[str, Any]) -> Any:
        ecr, name = _ecr(), request.get("repositoryName", "")
        for image in request.get("imageIds") or []:
            if name in ecr._repositories and not ecr._find_image(name, image):
                wanted = {key: image.get(key, "null") for key in ("imageDigest", "imageTag")}
                return ecr.error_response_json(
                    "ImageNotFoundException",
                    f"The image with imageId {{imageDigest:'{wanted['imageDigest']}', "
                    f"imageTag:'{wanted['imageTag']}'}} does not exist within the repository with name "
                    f"'{name}' "
                    f"in the registry with id '{emulator.module('core.responses').get_account_id()}'",
                    400,
                )
        status, headers, body = describe(request)
        if status != 200:
            return status, headers, body
        answer = json.loads(body)
        for detail in answer["imageDetails"]:
            image = ecr._find_image(name, {"imageDigest": detail["imageDigest"]})
            detail["imageSizeInBytes"] = sum(_sizes(name, image["imageManifest"]))
            if not detail["imageTags"]:
                del detail["imageTags"]
        return status, headers, json.dumps(answer).encode()

    return describe_images


def _parts(manifest: str) -> list[dict[str, Any]]:
    """The descriptors of an image manifest's configuration and layers; none for an index."""
    parsed = json.loads(manifest)
    config = parsed.get("config")
    return [*([config] if config else []), *parsed.get("layers", [])]


def _sizes(name: str, manifest: str) -> Iterator[int]:
    blobs = _ecr()._layer_blobs.get(name)
    for part in _parts(manifest):
        yield blobs.size(part["digest"]) or int(part.get("size", 0))


def _checking(put: Any) -> Any:
    """PUT of a manifest that refuses one whose layers were not uploaded."""

    def put_manifest(name: str, reference: str, headers: dict[str, str], body: bytes) -> Any:
        ecr = _ecr()
        if name in ecr._repositories and body:
            try:
                parts = _parts(body.decode())
            except (ValueError, AttributeError) as exc:
                return ecr._registry_error(400, "MANIFEST_INVALID", f"manifest is not JSON: {exc}", {})
            blobs = ecr._layer_blobs.get(name)
            for part in parts:
                if part.get("digest") not in blobs:
                    return ecr._registry_error(
                        404,
                        "MANIFEST_BLOB_UNKNOWN",
                        "blob unknown to registry",
                        {"digest": part.get("digest")},
                    )
        status, answered, content = put(name, reference, headers, body)
        if status == 201 and (subject := json.loads(body).get("subject")):
            # Says that referrers() will list it: the client needs no tag to find it by.
            answered["OCI-Subject"] = subject["digest"]
        return status, answered, content

    return put_manifest


def _with_referrers(handle: Any) -> Any:
    """The registry API with GET /v2/<repository>/referrers/<digest>, which MiniStack lacks."""

    async def handle_registry_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        found = _REFERRERS.fullmatch(path)
        if not found or method.upper() not in ("GET", "HEAD"):
            return await handle(method, path, headers, body, query)
        ecr, name = _ecr(), found["name"]
        ecr._select_registry_request_scope(name, {k.lower(): v for k, v in headers.items()}, query)
        if name not in ecr._repositories:
            return ecr._registry_error(404, "NAME_UNKNOWN", "repository name not known", {"name": name})
        kinds = query.get("artifactType") or []
        answer = _index(name, found["digest"], [kinds] if isinstance(kinds, str) else kinds)
        answered = {"Content-Type": _INDEX, **({"OCI-Filters-Applied": "artifactType"} if kinds else {})}
        return ecr._registry_ok(200, answered, json.dumps(answer).encode())

    return handle_registry_request


def _index(name: str, digest: str, kinds: list[str]) -> dict[str, Any]:
    """An image index of what refers to the digest, of any artifact type unless `kinds` are given."""
    referrers = []
    for image in _ecr()._images.get(name, []):
        manifest = json.loads(image["imageManifest"])
        kind = manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType", "")
        if (manifest.get("subject") or {}).get("digest") != digest or (kinds and kind not in kinds):
            continue
        referrers.append(
            {
                "mediaType": image["imageManifestMediaType"],
                "digest": image["imageDigest"],
                "size": len(image["imageManifest"].encode()),
                "artifactType": kind,
                **({"annotations": manifest["annotations"]} if "annotations" in manifest else {}),
            }
        )
    return {"schemaVersion": 2, "mediaType": _INDEX, "manifests": referrers}
