from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localcloud.ecs.cloud_harness import LocalCloud
from tests.localcloud.ecs.conftest import cloud

__all__ = ["cloud"]


@pytest.fixture
def fast_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCloud]:
    """A cloud in which a minute of CloudWatch takes two seconds."""
    monkeypatch.setenv("LOCAL_SPEED", "30")
    found = LocalCloud(tmp_path / "state")
    found.up()
    yield found
    found.end()
    assert found.processes() == []
