"""A container that is not the echo service, as one would find it: another port, another health path."""

import gzip
import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import boto3
import requests

from stack.aws.clients import Cloud
from stack.files import environment
from stack.image import container
from tests.e2e.checkout import Checkout

PORT = 9000
# It answers on /up when it is well, and with what it was given on every other path.
PROGRAM = """
import http.server, json, os, signal, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        given = {name: os.environ.get(name) for name in ("GREETING", "PASSWORD")}
        body = b"" if self.path == "/up" else json.dumps({"path": self.path, **given}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

# The first process of a container ends on SIGTERM only if it says so.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
COMMAND = ["python3", "other.py"]
ENVIRONMENT = {"HOST": "0.0.0.0", "PORT": str(PORT)}
_OCI = "application/vnd.oci.image"


def client(checkout: Checkout, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{checkout.gateway_port}",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def outside(checkout: Checkout) -> dict[str, str]:
    """Path and state of each of Route 53's checks that asks the service itself."""
    route53, found = client(checkout, "route53"), {}
    for check in route53.list_health_checks()["HealthChecks"]:
        if path := check["HealthCheckConfig"].get("ResourcePath"):
            seen = route53.get_health_check_status(HealthCheckId=check["Id"])["HealthCheckObservations"]
            found[path] = "; ".join({one["StatusReport"]["Status"] for one in seen})
    return found


def for_another(local: str) -> str:
    """The local environment's file without what only the echo service has: tokens, a registry."""
    text, tables = re.subn(r"(?ms)(?:^#[^\n]*\n)*^\[token\]\n.*?(?=^\[parameters)", "", local)
    assert tables == 1
    assert '"registry", ' in text
    return text.replace('"registry", ', "")


def push(checkout: Checkout, runtime: str, folder: Path) -> str:
    """Put the image into a repository of the local cloud's registry; return it by digest."""
    made = client(checkout, "ecr").create_repository(repositoryName="somebody/other")["repository"]
    name, uri = made["repositoryName"], made["repositoryUri"]
    if runtime == "container":
        _push_container(checkout, uri, folder)
    else:
        _push_process(checkout, name)
    (image,) = client(checkout, "ecr").describe_images(repositoryName=name)["imageDetails"]
    return f"{uri}@{image['imageDigest']}"


def _push_container(checkout: Checkout, uri: str, folder: Path) -> None:
    base = subprocess.run(
        ["docker/base-image.sh"], cwd=checkout.root, capture_output=True, text=True, check=True, timeout=280
    ).stdout.strip()
    (folder / "other.py").write_text(PROGRAM)
    given = "".join(f"ENV {name}={value}\n" for name, value in ENVIRONMENT.items())
    (folder / "Dockerfile").write_text(
        f"FROM {base}\nWORKDIR /srv\nCOPY other.py .\n{given}CMD {json.dumps(COMMAND)}\n"
    )
    local = f"somebody-other:{checkout.gateway_port}"
    subprocess.run(["docker", "build", "--quiet", "--tag", local, folder], check=True, timeout=120)
    container.push(Cloud(environment.load(checkout.root, "local")), local, uri, "1")


def remove_container_images(checkout: Checkout) -> None:
    names = (f"somebody-other:{checkout.gateway_port}", f"127.0.0.1:{checkout.gateway_port}/somebody/other:1")
    for name in names:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, timeout=60)


def _push_process(checkout: Checkout, name: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("srv/other.py")
        entry.size = len(PROGRAM)
        archive.addfile(entry, io.BytesIO(PROGRAM.encode()))
    layer = gzip.compress(packed.getvalue())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    config = json.dumps(
        {
            "architecture": machine,
            "os": "linux",
            "config": {
                "Env": [f"{key}={value}" for key, value in ENVIRONMENT.items()],
                "Cmd": COMMAND,
                "WorkingDir": "/srv",
                "Labels": {"io.echo-room.runtime": "process"},
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(packed.getvalue())]},
        }
    ).encode()
    kinds = ((f"{_OCI}.config.v1+json", config), (f"{_OCI}.layer.v1.tar+gzip", layer))
    described = [{"mediaType": kind, "digest": _digest(blob), "size": len(blob)} for kind, blob in kinds]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": described[0],
        "layers": described[1:],
    }
    registry = f"http://127.0.0.1:{checkout.gateway_port}/v2/{name}"
    token = client(checkout, "ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    session = requests.Session()
    session.headers["Authorization"] = f"Basic {token}"
    for blob in (config, layer):
        begun = session.post(f"{registry}/blobs/uploads/", timeout=20)
        place = requests.compat.urljoin(f"{registry}/", begun.headers["Location"])
        session.put(place, params={"digest": _digest(blob)}, data=blob, timeout=20).raise_for_status()
    session.put(
        f"{registry}/manifests/1",
        data=json.dumps(manifest),
        headers={"Content-Type": manifest["mediaType"]},
        timeout=20,
    ).raise_for_status()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
