"""The image, built once from this working tree by the project's own script; and containers of it."""

import contextlib
import json
import os
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# As the task definition has it.
HARDENED = [
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m",
    "--tmpfs", "/data:uid=10001,mode=0700", "--env", "ECHO_SQLITE_PATH=/data/echo.db",
]  # fmt: skip
NO_NETWORK = ["--network", "none", "--env", "ECHO_GRACE_SECONDS=0.5"]


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def inspect(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("image", "inspect", image).stdout)[0]
    return found


@contextlib.contextmanager
def built(*more: str, root: Path = ROOT, **environment: str) -> Iterator[str]:
    """An image of a working tree, removed in the end; `more` are further arguments of build.sh."""
    tag = f"echo-room-test:{uuid.uuid4().hex[:12]}"
    done = subprocess.run(
        [root / "docker/build.sh", tag, "test-version", *more],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    try:
        yield tag
    finally:
        docker("image", "rm", "--force", tag)


@contextlib.contextmanager
def exported(image: str) -> Iterator[tarfile.TarFile]:
    """The image's file system, as an archive to be read once, in order."""
    container = docker("create", image).stdout.strip()
    try:
        export = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
        with export, tarfile.open(fileobj=export.stdout, mode="r|") as archive:
            yield archive
    finally:
        docker("rm", container)


@contextlib.contextmanager
def running(image: str, *options: str) -> Iterator[str]:
    """A hardened container of the image that serves; removed in the end."""
    started = docker("run", "--detach", *HARDENED, *options, image).stdout.strip()
    try:
        for _ in range(600):
            if docker("exec", started, "python3", "-m", "app", "healthcheck", check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"never healthy: {docker('logs', started).stderr}")
        yield started
    finally:
        docker("rm", "--force", started)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine has to answer: without one tests are skipped, and with CI=true they fail."""
    try:
        answers = docker("version", check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        answers = False
    if not answers:
        if os.environ.get("CI") == "true":
            pytest.fail("no Docker engine answers, and CI=true demands one")
        pytest.skip("no Docker engine answers")


@pytest.fixture(scope="session")
def image(engine: None) -> Iterator[str]:
    with built() as tag:
        yield tag
