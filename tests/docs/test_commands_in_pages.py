"""What the pages tell people to type exists: make targets with variables, modules, the README's lines."""

import importlib.util
import re

import pytest

from tests.docs.pages import NAMES, ROOT, code

MAKEFILE = (ROOT / "Makefile").read_text()
RECIPES = {
    target: body
    for target, body in re.findall(r"^([a-z-]+):[^\n]*((?:\n\t[^\n]*)*)", MAKEFILE, re.M)
    if target in re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.M)
}
# `make VENV=...` and the like work with every target.
EVERYWHERE = {"PYTHON", "VENV", "PYTEST"}
OPTIONS = set(re.findall(r"\$\(([A-Z]+)\)", re.search(r"^OPTIONS = (.+)$", MAKEFILE, re.M)[1]))


def takes(target: str) -> set[str]:
    """The variables that a target's recipe reads."""
    recipe = RECIPES[target]
    found = set(re.findall(r"\$\((?:value |or \$\(|if \$\(|or )?([A-Z]+)\b", recipe))
    found |= set(re.findall(r"\b([A-Z]+)='?\$\(", recipe))
    return found | EVERYWHERE | (OPTIONS if "$(OPTIONS)" in recipe else set())


@pytest.mark.parametrize("name", NAMES)
def test_make_lines_name_targets_and_variables_that_exist(name: str) -> None:
    for line in re.findall(r"\bmake( [^\n`]*)", code((ROOT / name).read_text())):
        words = re.sub(r"#.*", "", line).replace("[", " ").replace("]", " ").split()
        targets = [word for word in words[:4] if word in RECIPES]
        if not words or not re.fullmatch(r"[a-z-]+", words[0]):
            continue  # a variable, a flag, or a sentence about make
        assert targets, f"make{line}: no such target"
        assert words[0] in RECIPES, f"make{line}: no target {words[0]}"
        given = {word.partition("=")[0] for word in words if re.match(r"[A-Z]+=", word)}
        assert given <= takes(words[0]), f"make{line}: {words[0]} does not read {given - takes(words[0])}"


@pytest.mark.parametrize("name", NAMES)
def test_modules_that_are_run_exist(name: str) -> None:
    text = code((ROOT / name).read_text())
    for module in set(re.findall(r"python3? -m ((?:app|stack|localcloud|bench)[\w.]*)", text)):
        assert importlib.util.find_spec(module) is not None, module


def test_every_command_of_the_readme_is_run_as_written() -> None:
    """Each console line is run by `readme_command`, which takes it from the page; the rest is named here."""
    readme = (ROOT / "README.md").read_text()
    lines = [re.sub(r"\s+# .*$", "", line) for line in re.findall(r"^\$ (.+)$", readme, re.M)]
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    run = set(re.findall(r'readme_command\(\s*"([^"]+)"', sources))
    # This test is part of `make check`; the exports are what `make create` prints.
    rest = [
        line
        for line in lines
        if not re.match(r"make check$|export (URL|TOKEN)=", line)
        and not any(line.startswith(one) for one in run)
    ]
    assert not rest
    assert lines
