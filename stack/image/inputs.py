"""What an image is made of, as one fingerprint: an unchanged tree neither builds nor pushes again."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def _below(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not _LEFT_OUT & set(file.parts) and file.suffix not in (".pyc", ".pyo")
    )


def sources(root: Path) -> list[Path]:
    """Files of app/ that are part of an image, sorted, without caches."""
    return _below(root / "app")


def fingerprint(root: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 over app/, what builds the image, and the chosen base."""
    digest = hashlib.sha256()
    fixed = (root / "docker" / name for name in ("Dockerfile", "requirements.txt"))
    built_by = [*(file for file in fixed if file.exists()), *_below(root / "docker" / "rootfs")]
    for file in [*sources(root), *built_by]:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    digest.update(os.environ.get("BASE_IMAGE", "").encode())
    return digest.hexdigest()[:16]


def dirty(root: Path) -> bool:
    """Say whether what goes into an image differs from the commit that is checked out.

    Outside of a Git checkout nothing is known, and so nothing is said.
    """
    words = ["git", "-C", str(root), "status", "--porcelain", "--", "app", "docker"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
