"""An unpacked image as a tree of files."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path


def left_out(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a relative path, one of its parents or its bare name matches."""
    parts = path.split("/")
    starts = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    return any(
        fnmatch.fnmatchcase(name, pattern)
        for pattern in patterns
        for name in (starts if "/" in pattern else parts)
    )


def files(top: Path, *without: str) -> Iterator[Path]:
    """Every file and link below `top`, sorted, without those that match."""
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if not left_out(path.relative_to(top).as_posix(), without):
                yield path


class Tree:
    """An unpacked image, read as if it were the root: its absolute links stay inside it."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def resolve(self, path: str) -> Path:
        """The file that `path` leads to, as a path of this machine. Raises FileNotFoundError."""
        found = Path("/")
        parts = [part for part in path.split("/") if part]
        for _ in range(64):
            if not parts:
                break
            part = parts.pop(0)
            if part == "..":
                found = found.parent
                continue
            here = self.top / (found / part).relative_to("/")
            if here.is_symlink():
                target = str(here.readlink())
                found = Path("/") if target.startswith("/") else found
                parts = [step for step in target.split("/") if step and step != "."] + parts
            else:
                found = found / part
        real = self.top / found.relative_to("/")
        if not real.exists():
            raise FileNotFoundError(path)
        return real

    def name(self, path: Path) -> str:
        """The absolute path inside the image."""
        return "/" + path.relative_to(self.top).as_posix()
