"""The project's pages, and what their Markdown means as GitHub renders it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^```.*?^```$", re.M | re.S)


def prose(text: str) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", text)


def code(text: str) -> str:
    """All code of a page: its blocks, and what stands between backticks. What commands print is none."""
    blocks = [block for block in _FENCE.findall(text) if not block.startswith("```text")]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", prose(text))])


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings: lower case, punctuation gone, blanks as hyphens, doubles numbered."""
    seen: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose(page.read_text()), re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


def cells(row: str) -> int:
    r"""How many cells a row of a table has; `\|` is a character of a cell, wherever it stands."""
    return len(re.split(r"(?<!\\)\|", row.strip().strip("|")))
