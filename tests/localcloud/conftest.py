"""Local clouds that are started the way a user starts them, on ports and in directories of their own."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from localcloud import background
from localcloud.state import StateDir
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "cloudformation"

#: A service in one file: says its version (at /slow a moment later), is ready at once, and leaves when told
#: to; BREAK makes it exit, with SAYS as its last words.
SERVICE = """
import http.server, os, signal, sys, time
if "healthcheck" in sys.argv:
    sys.exit(0)
if os.environ.get("BREAK"):
    sys.exit(os.environ.get("SAYS", "broken on purpose"))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.05 if self.path == "/slow" else 0)
        body = os.environ.get("VERSION", "?").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer((os.environ["ECHO_HOST"], 8080), Handler).serve_forever()
"""


class Cloud:
    """One local cloud, driven by its commands and its API."""

    def __init__(self, state_dir: Path, port: int | None = None, speed: float = 1) -> None:
        self.state_dir = state_dir
        self.speed = speed
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, "-m", "localcloud", *arguments,
             "--endpoint", self.url, "--state-dir", str(self.state_dir)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
            env={"LOCAL_SPEED": str(self.speed),
                 **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}},
        )  # fmt: skip
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def end(self) -> None:
        """What `down` does, at the end of a test, without the second that its own process takes to start."""
        background.down(StateDir.at(self.state_dir))

    def pid(self) -> int:
        return int(json.loads(self.run("status", "--json").stdout)["pid"])

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(
            service, endpoint_url=self.url, region_name=region, aws_access_key_id="local",
            aws_secret_access_key="local", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def change_set(self, stack: str, template: Any, kind: str = "CREATE", **options: Any) -> dict[str, Any]:
        """Make a change set and describe it with values; `parameters` is a plain mapping."""
        parameters = options.pop("parameters", {})
        name = f"c{time.time_ns()}"
        self.client("cloudformation").create_change_set(
            StackName=stack, ChangeSetName=name, ChangeSetType=kind,
            TemplateBody=template if isinstance(template, str) else json.dumps(template),
            Parameters=[{"ParameterKey": k, "ParameterValue": str(v)} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_IAM"], **options,
        )  # fmt: skip
        found: dict[str, Any] = self.client("cloudformation").describe_change_set(
            StackName=stack, ChangeSetName=name, IncludePropertyValues=True
        )
        return found

    def execute(self, change_set: dict[str, Any]) -> dict[str, Any]:
        """Execute a change set and return the stack once it is at rest."""
        assert change_set["Status"] == "CREATE_COMPLETE", change_set.get("StatusReason")
        self.client("cloudformation").execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        return self.at_rest(change_set["StackId"])

    def deploy(self, stack: str, template: Any, kind: str = "CREATE", **options: Any) -> dict[str, Any]:
        return self.execute(self.change_set(stack, template, kind, **options))

    def at_rest(self, stack: str, timeout: float = 180) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][
                0
            ]
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{stack} is still {found['StackStatus']}: {self.events(stack)}")

    def delete(self, stack: str) -> dict[str, Any]:
        stack_id = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        self.client("cloudformation").delete_stack(StackName=stack)
        return self.at_rest(stack_id)

    def events(self, stack: str) -> list[tuple[str, str, str]]:
        found = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return [
            (e["LogicalResourceId"], e["ResourceStatus"], e.get("ResourceStatusReason", "")) for e in found
        ][::-1]

    def failures(self, stack: str) -> list[tuple[str, str, str]]:
        return [event for event in self.events(stack) if event[1].endswith("_FAILED")]

    def push(self, repository: str, tag: str, **environment: str) -> str:
        """Push a process image over the registry API; returns its manifest's digest."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("srv/app/__main__.py")
            entry.size = len(SERVICE)
            tar.addfile(entry, io.BytesIO(SERVICE.encode()))
        config = {
            "architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [_digest(archive.getvalue())]},
            "config": {
                "Env": ["ECHO_HOST=0.0.0.0", *(f"{key}={value}" for key, value in environment.items())],
                "Entrypoint": ["python3", "-m", "app"], "WorkingDir": "/srv",
                "ExposedPorts": {"8080/tcp": {}},
                "Labels": {"io.echo-room.runtime": "process"},
            },
        }  # fmt: skip
        parts = [
            ("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
            ("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(archive.getvalue(), mtime=0)),
        ]
        for _, blob in parts:
            self.push_blob(repository, blob)
        described = [{"mediaType": kind, "digest": _digest(b), "size": len(b)} for kind, b in parts]
        answer = self.push_manifest(repository, tag, {"config": described[0], "layers": described[1:]})
        answer.raise_for_status()
        return answer.headers["Docker-Content-Digest"]

    def push_blob(self, repository: str, blob: bytes) -> None:
        begun = requests.post(f"{self.url}/v2/{repository}/blobs/uploads/", timeout=30)
        begun.raise_for_status()
        location = self.url + begun.headers["Location"]
        requests.put(location, params={"digest": _digest(blob)}, data=blob, timeout=30).raise_for_status()

    def push_manifest(self, repository: str, tag: str, manifest: dict[str, Any]) -> requests.Response:
        kind = "application/vnd.oci.image.manifest.v1+json"
        body = {"schemaVersion": 2, "mediaType": kind, **manifest}
        return requests.put(
            f"{self.url}/v2/{repository}/manifests/{tag}",
            json=body,
            headers={"Content-Type": kind},
            timeout=30,
        )


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for every test that only adds stacks of its own to it."""
    found = Cloud(tmp_path_factory.mktemp("shared") / "state")
    found.run("up")
    yield found
    found.end()


@pytest.fixture(scope="session")
def quick_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One in which a minute takes a second, for tests that only add things of their own names to it."""
    found = Cloud(tmp_path_factory.mktemp("quick") / "state", speed=60)
    found.run("up")
    yield found
    found.end()


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud for one test, not started yet."""
    found = Cloud(tmp_path / "state")
    yield found
    found.end()


@pytest.fixture
def make_cloud(tmp_path: Path) -> Callable[..., Cloud]:
    return lambda name, port=None: Cloud(tmp_path / name, port)


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], Any], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come true"
            time.sleep(0.05)

    return wait
