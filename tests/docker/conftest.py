"""The image, built once from this working tree by the project's own script."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        answers = docker("version", check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        answers = False
    if not answers:
        if os.environ.get("CI") == "true":
            pytest.fail("no Docker engine answers, and CI=true demands one")
        pytest.skip("no Docker engine answers")
    tag = f"echo-room-test:{uuid.uuid4().hex[:12]}"
    built = subprocess.run(
        ["docker/build.sh", tag, "test-version"], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert built.returncode == 0, built.stderr
    yield tag
    docker("image", "rm", "--force", tag)
