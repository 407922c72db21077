import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("cloud_harness", Path(__file__).with_name("cloud_harness.py"))
assert _spec
assert _spec.loader
_harness = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("cloud_harness", _harness)
_spec.loader.exec_module(_harness)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator["_harness.LocalCloud"]:
    found = _harness.LocalCloud(tmp_path / "state")
    found.up()
    yield found
    found.end()
    assert found.processes() == []


@pytest.fixture(scope="session")
def engine() -> Any:
    import docker

    try:
        return docker.from_env(timeout=20)
    except docker.errors.DockerException as exc:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Docker engine answers: {exc}")


@pytest.fixture(scope="session")
def image(engine: Any) -> str:
    """An image with Python in it: the base that images are built from here, made if the engine has none."""
    made = subprocess.run(
        [_harness.ROOT / "docker" / "base-image.sh"], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return made.stdout.strip()
    if os.environ.get("CI") == "true":
        pytest.fail(made.stderr)
    pytest.skip(f"no base image could be made: {made.stderr.strip().splitlines()[-1]}")
