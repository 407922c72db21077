import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

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
    found.down()
    assert found.processes() == []
