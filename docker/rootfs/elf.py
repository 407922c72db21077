"""What ELF files say of themselves, read without running them: they may be for another processor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from rootfs.tree import Tree

# Debian's names of the folders, by the machine in the file's header.
TRIPLETS = {"EM_X86_64": "x86_64-linux-gnu", "EM_AARCH64": "aarch64-linux-gnu"}


def is_elf(file: Path) -> bool:
    """Whether the file is a program or a library."""
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def needed(file: Path) -> tuple[str, list[str]]:
    """The file's machine (EM_...) and the libraries it names (DT_NEEDED)."""
    with file.open("rb") as opened:
        elf = ELFFile(opened)
        dynamic = elf.get_section_by_name(".dynamic")
        names = (
            [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
            if isinstance(dynamic, DynamicSection)
            else []
        )
        return elf["e_machine"], names


def interpreter_of(program: Path) -> str:
    """The path of the dynamic loader that the program asks for."""
    with program.open("rb") as opened:
        for segment in ELFFile(opened).iter_segments():
            if isinstance(segment, InterpSegment):
                return segment.get_interp_name()
    raise SystemExit(f"rootfs: {program} is not dynamically linked")


def closure(programs: Iterable[Path], also: Iterable[str], base: Tree) -> dict[str, Path]:
    """Every library that the programs need, and what those need in turn: name -> file of the base."""
    waiting = list(programs)
    machine = needed(waiting[0])[0]
    triplet = TRIPLETS[machine]
    folders = ("/usr/local/lib", f"/lib/{triplet}", f"/usr/lib/{triplet}", "/lib", "/usr/lib")
    loaders = ("ld-linux",)  # named as a library by some; installed apart
    found: dict[str, Path] = {}
    names = list(also)
    while waiting or names:
        for name in names:
            if name not in found and not name.startswith(loaders):
                found[name] = find(name, folders, base)
                waiting.append(found[name])
        names = []
        while waiting:
            file = waiting.pop()
            kind, asked = needed(file)
            if kind != machine:
                raise SystemExit(f"rootfs: {file} is for {kind}, the interpreter for {machine}")
            names += [name for name in asked if name not in found and not name.startswith(loaders)]
    return found


def find(name: str, folders: Iterable[str], base: Tree) -> Path:
    """The library in the folders the loader searches. Exits if there is none."""
    for folder in folders:
        try:
            return base.resolve(f"{folder}/{name}")
        except FileNotFoundError:
            continue
    raise SystemExit(f"rootfs: the base image has no {name}, which a program or an extension module needs")


def full_version(program: Path) -> str:
    """CPython's full version, read from the interpreter or the library beside it, which may not run here."""
    minor = program.name.removeprefix("python").encode()
    shared = program.parent.parent / "lib" / f"lib{program.name}.so.1.0"
    for file in (program, shared):
        if file.exists() and (
            found := re.search(
                rb"\0(" + re.escape(minor) + rb"\.\d+(?:(?:a|b|rc)\d+)?\+?)\0", file.read_bytes()
            )
        ):
            return found[1].decode()
    raise SystemExit(f"rootfs: {program} does not say which version it is")
