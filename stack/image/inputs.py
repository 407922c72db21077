"""What an image is made of, as one fingerprint: an unchanged tree neither builds nor pushes again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def sources(root: Path) -> list[Path]:
    """Files of app/ that are part of an image, sorted, without caches."""
    return sorted(
        file
        for file in (root / "app").rglob("*")
        if file.is_file() and not _LEFT_OUT & set(file.parts) and file.suffix not in (".pyc", ".pyo")
    )


def fingerprint(root: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 over app/, the Dockerfile and the chosen base image."""
    digest = hashlib.sha256()
    fixed = (root / "docker" / name for name in ("Dockerfile", "requirements.txt"))
    for file in [*sources(root), *(file for file in fixed if file.exists())]:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    digest.update(os.environ.get("BASE_IMAGE", "").encode())
    return digest.hexdigest()[:16]
