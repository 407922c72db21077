"""The emulator underneath: its version, its names, and who imports whom."""

import ast
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from localcloud import emulator
from localcloud.persistence import may_change

PACKAGE = Path(emulator.__file__).parent


def test_it_is_the_release_this_was_written_for() -> None:
    assert version("ministack") == emulator.VERSION == "1.5.33"
    assert f"ministack=={emulator.VERSION}" in (PACKAGE / "requirements.in").read_text()


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "version", lambda _: "9.9.9")
    with pytest.raises(emulator.EmulatorError, match=r"9\.9\.9"):
        emulator.load()


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_nobody_imports_the_other_packages_or_the_emulator_directly(path: Path) -> None:
    assert not imported(path) & {"app", "stack", "ministack", "tests", "bench"}


@pytest.mark.parametrize(
    ("method", "target", "body", "changes"),
    [
        ("POST", "DynamoDB_20120810.PutItem", b"", True),
        ("POST", "DynamoDB_20120810.GetItem", b"", False),
        ("POST", "", b"Action=CreateChangeSet&X=1", True),
        ("POST", "", b"X=1&Action=DescribeStacks", False),
        ("PUT", "", b"", True),
        ("GET", "", b"", False),
    ],
)
def test_what_counts_as_a_change(method: str, target: str, body: bytes, changes: Any) -> None:
    assert may_change(method, target, body) is changes
