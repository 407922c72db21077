"""The README's commands, taken from the page itself, so that what is tested is what people type."""

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()


def readme_command(start: str) -> str:
    """The one line of the README's console blocks that begins so, without its comment."""
    lines = [line for line in re.findall(r"^\$ (.+)$", README, re.M) if line.startswith(start)]
    assert len(lines) == 1, f"{start!r}: {lines}"
    return re.sub(r"\s+# .*$", "", lines[0])
