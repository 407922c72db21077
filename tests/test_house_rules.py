"""Who may import whom, how long a file may be, and that the Makefile and its documentation agree."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "stack", "localcloud")


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_do_not_know_each_other(package: str) -> None:
    strangers = set(PACKAGES) - {package} | {"bench", "tests"}
    files = python_files(package)
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & strangers, f"{path}:{node.lineno}"


def test_files_have_one_subject() -> None:
    long = {
        str(path): n
        for path in python_files(*PACKAGES, "bench", "docs", "tests")
        if (n := len(path.read_text().splitlines())) > 330
    }
    assert not long, "what second subject moved in?"


def test_every_exception_from_a_rule_says_why() -> None:
    marked = re.compile(r"# (?:noqa: [A-Z0-9, ]+?|type: ignore\[[a-z, -]+\])(?P<reason>$| .*)")
    reason = re.compile(r" +(?:- |\(|# (?!fmt|type|noqa)).*\w.*")
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    without = [
        f"{name}:{number}"
        for name in found.stdout.splitlines()
        if (ROOT / name).exists()
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1)
        if (exception := marked.search(line)) and not reason.fullmatch(exception["reason"])
    ]
    assert not without, "the reason stands behind it"


def test_every_make_target_is_documented() -> None:
    described = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    phony = set(re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M))
    assert described == phony
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    missing = {target for target in described if not re.search(rf"make {target}\b", pages)}
    assert not missing


def test_make_prints_help_in_sections() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n  make ") == len(
        re.findall(r"^\.PHONY: ", (ROOT / "Makefile").read_text(), re.M)
    )
    assert "Operate an environment" in done.stdout


def test_requirements_are_locked_with_hashes_and_name_no_host() -> None:
    locks = sorted([*ROOT.glob("*/requirements.txt"), *ROOT.glob("*/*/requirements.txt")])
    parts = {str(lock.parent.relative_to(ROOT)) for lock in locks}
    assert parts == {
        "app",
        "stack",
        "stack/scan",
        "localcloud",
        "docker",
        "tests",
        "docs",
        "bench/load",
        "stack/plot",
    }
    for lock in locks:
        text = lock.read_text()
        pins = re.findall(r"^[a-zA-Z0-9._-]+==\S+", text, re.M)
        assert pins
        assert len(pins) == len(re.findall(r"^[a-zA-Z0-9._-]+==[^\n]+\\\n    --hash=sha256:", text, re.M)), (
            lock
        )
        assert "://" not in text, lock
