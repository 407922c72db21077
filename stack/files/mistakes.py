"""Everything that is wrong with one file, collected to be said at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stack.errors import nearest, usage


class Mistakes:
    """The mistakes found in `file` so far; each names its key."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[str] = []

    def add(self, key: str, what: str) -> None:
        """Note what is wrong with a key."""
        self.lines.append(f"{key}: {what}")

    def unknown(self, key: str, word: str, allowed: Iterable[str], noun: str = "key") -> None:
        """Note a word that means nothing there, with the nearest that would."""
        words = list(allowed)
        listed = ", ".join(words) or "none"
        self.add(key, f'unknown {noun} "{word}"{nearest(word, words)}; allowed: {listed}')

    def check(self) -> None:
        """Raise a usage ToolError with every mistake, if there is one."""
        if self.lines:
            found = "\n".join(f"  {line}" for line in self.lines)
            raise usage(f"{self.file} is not right:\n{found}", "Correct the file; nothing was changed.")
