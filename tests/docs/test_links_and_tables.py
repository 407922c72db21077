"""Links lead somewhere, anchors and pictures exist, tables are whole, files that are named are there."""

import re
import subprocess

import pytest

from tests.docs.pages import NAMES, ROOT, anchors, cells, code, prose

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Of files that commands make, or that are a reader's own.
NOT_HERE = re.compile(r"^(\.state|\.venv|/)|<|\*|\{|\.\.\.")


@pytest.mark.parametrize("name", NAMES)
def test_links_and_anchors_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"`[^`\n]*`", "", prose(page.read_text()))  # patterns in code look like links
    for target in LINK.findall(text):
        if re.match(r"https?://", target):
            assert re.match(r"https://[\w.-]+\.\w+(/\S*)?$", target), f"{target}: not over HTTPS"
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), f"{target}: {file.name} has no such heading"


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_a_table_have_as_many_cells_as_its_head(name: str) -> None:
    lines = prose((ROOT / name).read_text()).splitlines()
    for number, line in enumerate(lines):
        if not re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", line):
            continue
        assert lines[number - 1].startswith("|"), f"{name}: a table without a head: {line}"
        for row in (lines[number - 1], *_rows(lines[number + 1 :])):
            assert cells(row) == cells(line), row


def _rows(lines: list[str]) -> list[str]:
    end = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return lines[:end]


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_are_there(name: str) -> None:
    tops = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = set(listed.splitlines()) | {str(path.relative_to(ROOT)) for path in ROOT.glob("*/**/")}
    for path in re.findall(rf"(?<![\w./-])((?:{tops})/[^\s`'\",;:()\[\]]+)", code((ROOT / name).read_text())):
        if not NOT_HERE.search(path):
            assert path.rstrip("/.") in {one.rstrip("/") for one in there} or (ROOT / path).exists(), path
