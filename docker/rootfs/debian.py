"""Which Debian packages the files come from: noted in the image, as distroless images do, for scanners."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from rootfs.tree import Tree


class Packages:
    """The package database of an unpacked image."""

    def __init__(self, base: Tree) -> None:
        self.base = base
        self.stanzas: dict[str, str] = {}
        status = base.resolve("/var/lib/dpkg/status").read_text(encoding="utf-8")
        for stanza in status.split("\n\n"):
            if name := re.match(r"Package: (\S+)", stanza):
                self.stanzas[name[1]] = stanza.strip() + "\n"
        self.owners = dict(self._owned())

    def _owned(self) -> Iterable[tuple[Path, str]]:
        """Real file -> package. Lists name files where the package put them; links may lead there by now."""
        for listing in sorted(self.base.resolve("/var/lib/dpkg/info").glob("*.list")):
            package = listing.stem.partition(":")[0]
            for line in listing.read_text(encoding="utf-8").splitlines():
                folder, _, name = line.rpartition("/")
                try:
                    real = self.base.resolve(folder) / name
                except FileNotFoundError:  # excluded when the base was made
                    continue
                if real.is_file() and not real.is_symlink():
                    yield real, package

    def describe(self, used: Iterable[Path], out: Path) -> None:
        """Write the stanza and the copyright of every package that one of the files is from."""
        for package in sorted({self.owners[file] for file in used if file in self.owners}):
            target = out / "var/lib/dpkg/status.d" / package
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.stanzas[package], encoding="utf-8")
            licence = out / "usr/share/doc" / package / "copyright"
            licence.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.base.resolve(f"/usr/share/doc/{package}/copyright"), licence)
