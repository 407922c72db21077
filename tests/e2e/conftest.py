"""Both runtimes: tasks as processes, and as containers where an engine answers."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.checkout import Checkout


def engine_answers() -> bool:
    try:
        return subprocess.run(["docker", "version"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="module", params=["process", "container"])
def runtime(request: pytest.FixtureRequest) -> str:
    if request.param == "container" and not engine_answers():
        if os.environ.get("CI") == "true":
            pytest.fail("no Docker engine answers, and CI=true demands one")
        pytest.skip("no Docker engine answers")
    return request.param


@pytest.fixture(scope="module")
def checkout(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path_factory.mktemp(f"checkout-{runtime}"), engine=runtime == "container")
    try:
        yield checkout
    finally:
        checkout.run("make local-reset YES=1")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose local cloud is up, runs processes, and has nothing on it yet."""
    checkout = Checkout(tmp_path_factory.mktemp("place"), engine=False)
    checkout.start_cloud()
    try:
        yield checkout
    finally:
        checkout.run("make local-reset YES=1")
