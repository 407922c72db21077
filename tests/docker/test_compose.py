"""The compose file, brought up for real: TLS, the embedded store, and tokens that outlive the container."""

import json
import os
import shutil
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.app.servers import free_port
from tests.docker.conftest import ROOT, docker

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

Compose = Callable[..., str]


def program() -> list[str]:
    """Compose 2, which is a plugin, or the older program of its own."""
    if docker("compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if os.environ.get("CI") == "true":
        pytest.fail("Compose is not installed, and CI=true demands it")
    pytest.skip("Compose is not installed")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def compose(image: str, port: int) -> Iterator[Compose]:
    command = [
        *program(),
        "--project-name",
        f"echo-room-{uuid.uuid4().hex[:8]}",
        "--file",
        "docker/compose.yaml",
    ]
    environment = {**os.environ, "IMAGE": image, "PORT": str(port)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [*command, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield run
    run("down", "--volumes", "--timeout", "1")


def wait_until_it_serves(port: int) -> str:
    """The certificate it presents."""
    for _ in range(200):
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
        except OSError:
            time.sleep(0.1)
    pytest.fail("nothing answered TLS")


def test_it_echoes_over_tls_and_keeps_its_tokens(compose: Compose, port: int, tmp_path: Path) -> None:
    compose("up", "--detach")
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(wait_until_it_serves(port))
    made = compose("exec", "-T", "echo", "python3", "-m", "app", "token", "create", "--name", "t", "--json")
    headers = {"Authorization": f"Bearer {json.loads(made)['token']}"}
    url, body = f"https://127.0.0.1:{port}/echo", {"str": "Is anybody there?"}
    answer = requests.post(url, json=body, headers=headers, verify=str(certificate), timeout=30)
    assert (answer.status_code, answer.json()) == (200, body)
    compose("exec", "-T", "echo", "python3", "-m", "app", "healthcheck")

    compose("rm", "--stop", "--force", "echo")
    compose("up", "--detach")
    renewed = wait_until_it_serves(port)
    assert renewed != certificate.read_text(), "made at each start, kept nowhere"
    certificate.write_text(renewed)
    assert requests.post(url, json=body, headers=headers, verify=str(certificate), timeout=30).json() == body
