"""ECR: the registry API and what DescribeImages says of it."""

import hashlib
import json
import os
import signal
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError


def repository(cloud: Any, name: str, **options: Any) -> str:
    made = cloud.client("ecr").create_repository(repositoryName=name, **options)["repository"]
    assert made["repositoryUri"] == f"127.0.0.1:{cloud.port}/{name}"
    return name


def test_an_image_is_found_by_tag_and_by_digest(shared_cloud: Any) -> None:
    name = repository(shared_cloud, "found")
    digest = shared_cloud.push(name, "one", VERSION="1")
    shared_cloud.push(name, "two", VERSION="2")
    ecr = shared_cloud.client("ecr")
    by_tag = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "one"}])["imageDetails"]
    by_digest = ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])["imageDetails"]
    assert by_tag == by_digest
    assert by_tag[0]["imageDigest"] == digest
    assert by_tag[0]["imageTags"] == ["one"]
    assert by_tag[0]["imageSizeInBytes"] > 500
    with pytest.raises(ClientError) as refused:
        ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "three"}])
    assert refused.value.response["Error"]["Code"] == "ImageNotFoundException"


def test_an_immutable_tag_cannot_move(shared_cloud: Any) -> None:
    name = repository(shared_cloud, "immutable", imageTagMutability="IMMUTABLE")
    digest = shared_cloud.push(name, "one", VERSION="1")
    assert shared_cloud.push(name, "one", VERSION="1") == digest
    with pytest.raises(requests.HTTPError):
        shared_cloud.push(name, "one", VERSION="2")
    found = shared_cloud.client("ecr").describe_images(repositoryName=name, imageIds=[{"imageTag": "one"}])
    assert found["imageDetails"][0]["imageDigest"] == digest


def test_a_manifest_without_its_layers_is_refused(shared_cloud: Any) -> None:
    name = repository(shared_cloud, "incomplete")
    layer = {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1}
    answer = shared_cloud.push_manifest(name, "one", {"config": layer, "layers": []})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_what_refers_to_an_image_needs_no_tag_and_is_listed(shared_cloud: Any) -> None:
    name = repository(shared_cloud, "referrers", imageTagMutability="IMMUTABLE")
    image = shared_cloud.push(name, "one", VERSION="1")
    other = shared_cloud.push(name, "two", VERSION="2")
    shared_cloud.push_blob(name, b"{}")
    empty = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest(),
        "size": 2,
    }
    kind = "application/vnd.oci.image.manifest.v1+json"
    artifact = {
        "schemaVersion": 2,
        "mediaType": kind,
        "artifactType": "application/vnd.cyclonedx+json",
        "config": empty,
        "layers": [empty],
        "subject": {"mediaType": kind, "digest": image, "size": 1},
        "annotations": {"made": "now"},
    }
    body = json.dumps(artifact).encode()
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    sent = requests.put(
        f"{shared_cloud.url}/v2/{name}/manifests/{digest}",
        data=body,
        headers={"Content-Type": kind},
        timeout=30,
    )
    assert sent.status_code == 201
    assert sent.headers["OCI-Subject"] == image

    def referrers(of: str, **query: str) -> requests.Response:
        return requests.get(f"{shared_cloud.url}/v2/{name}/referrers/{of}", params=query, timeout=30)

    listed = referrers(image)
    assert listed.headers["Content-Type"] == "application/vnd.oci.image.index.v1+json"
    assert listed.json()["manifests"] == [
        {
            "mediaType": kind,
            "digest": digest,
            "size": len(body),
            "artifactType": "application/vnd.cyclonedx+json",
            "annotations": {"made": "now"},
        }
    ]
    filtered = referrers(image, artifactType="application/vnd.cyclonedx+json")
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert filtered.json() == listed.json()
    assert referrers(image, artifactType="application/other").json()["manifests"] == []
    assert referrers(other).json()["manifests"] == []
    unknown = requests.get(f"{shared_cloud.url}/v2/nowhere/referrers/{image}", timeout=30)
    assert unknown.status_code == 404


def test_images_survive_kill_9_and_go_with_their_repository(own_cloud: Any) -> None:
    own_cloud.run("up")
    name = repository(own_cloud, "kept")
    digest = own_cloud.push(name, "one")
    os.kill(own_cloud.pid(), signal.SIGKILL)
    own_cloud.run("up")
    manifest = requests.get(f"{own_cloud.url}/v2/{name}/manifests/one", timeout=30)
    assert manifest.headers["Docker-Content-Digest"] == digest
    layer = manifest.json()["layers"][0]
    blob = requests.get(f"{own_cloud.url}/v2/{name}/blobs/{layer['digest']}", timeout=30)
    assert len(blob.content) == layer["size"]
    own_cloud.client("ecr").delete_repository(repositoryName=name, force=True)
    repository(own_cloud, "kept")
    assert requests.get(f"{own_cloud.url}/v2/{name}/blobs/{layer['digest']}", timeout=30).status_code == 404
