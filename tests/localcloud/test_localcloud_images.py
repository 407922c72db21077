"""ECR: the registry API and what DescribeImages says of it."""

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


def test_images_survive_kill_9_and_go_with_their_repository(own_cloud: Any) -> None:
    own_cloud.run("up")
    name = repository(own_cloud, "kept")
    digest = own_cloud.push(name, "one")
    os.kill(own_cloud.pid(), signal.SIGKILL)
    own_cloud.run("up")
    manifest = requests.get(f"{own_cloud.url}/v2/{name}/manifests/one", timeout=5)
    assert manifest.headers["Docker-Content-Digest"] == digest
    layer = manifest.json()["layers"][0]
    blob = requests.get(f"{own_cloud.url}/v2/{name}/blobs/{layer['digest']}", timeout=5)
    assert len(blob.content) == layer["size"]
    own_cloud.client("ecr").delete_repository(repositoryName=name, force=True)
    repository(own_cloud, "kept")
    assert requests.get(f"{own_cloud.url}/v2/{name}/blobs/{layer['digest']}", timeout=5).status_code == 404
