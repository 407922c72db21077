"""The built image on a real engine: hardened as on ECS, it serves, reports its health, and stops in time."""

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from tests.docker.conftest import docker

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

# As the task definition has it, and with no network but its own loopback.
HARDENED = [
    "--network",
    "none",
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--memory",
    "512m",
]
STORE = [
    "--tmpfs",
    "/data:uid=10001,mode=0700",
    "--env",
    "ECHO_SQLITE_PATH=/data/echo.db",
    "--env",
    "ECHO_GRACE_SECONDS=0.5",
]
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8080)
connection.request("GET", sys.argv[1])
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""
SERVICE_MODELS = """
import os
print([entry.name for entry in os.scandir("/srv/lib/botocore/data") if entry.is_dir()])
"""


@contextlib.contextmanager
def running(image: str) -> Iterator[str]:
    """A container of the image that serves; removed in the end."""
    started = docker("run", "--detach", *HARDENED, *STORE, image).stdout.strip()
    try:
        for _ in range(100):
            if docker("exec", started, "python3", "-m", "app", "healthcheck", check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"never healthy: {docker('logs', started).stderr}")
        yield started
    finally:
        docker("rm", "--force", started)


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[str]:
    with running(image) as started:
        yield started


def ask(container: str, path: str) -> tuple[int, dict[str, str]]:
    status, _, body = docker("exec", container, "python3", "-c", ASK, path).stdout.partition(" ")
    return int(status), json.loads(body)


def test_it_serves_with_a_read_only_root_and_no_capabilities(container: str) -> None:
    assert ask(container, "/readyz")[0] == 200
    status, health = ask(container, "/healthz")
    assert (status, health["version"]) == (200, "test-version")
    assert ask(container, "/hello") == (200, {"Hello": "Welcome to the Echo Room."})


def test_it_runs_as_a_user_without_a_name_or_rights(container: str) -> None:
    who = docker("exec", container, "python3", "-c", "import os; print(os.getuid(), os.getgid())")
    assert who.stdout == "10001 10001\n"


def test_tokens_are_made_and_listed_inside(container: str) -> None:
    command = ["exec", container, "python3", "-m", "app", "token"]
    made = json.loads(docker(*command, "create", "--name", "t", "--json").stdout)
    assert made["token"].startswith("echo_")
    assert made["id"] in docker(*command, "list").stdout


def test_metadata(image: str) -> None:
    config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    assert config["User"] == "10001:10001"
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    assert config["Labels"]["org.opencontainers.image.version"] == "test-version"
    assert config["Healthcheck"]["Test"] == ["CMD", "python3", "-m", "app", "healthcheck"]


def test_botocore_has_one_service_model(image: str) -> None:
    listing = docker(
        "run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", SERVICE_MODELS
    )
    assert listing.stdout.strip() == "['dynamodb']"


def test_sigterm_ends_it_with_zero(image: str) -> None:
    with running(image) as started:
        docker("stop", "--time", "30", started)
        state = json.loads(docker("container", "inspect", started).stdout)[0]["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), docker("logs", started).stderr
