"""What is in the image: what the list allows, of the right size and processor, the same in every build."""

import fnmatch
import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, built, docker, exported, inspect

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("image")]

# What the engine itself puts into a container.
MADE = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"}
MACHINE = {"amd64": 62, "arm64": 183}  # EM_X86_64, EM_AARCH64


# Processor -> the one that this machine is not, and what runs a program for that.
OTHER = {"amd64": ("arm64", "aarch64"), "arm64": ("amd64", "x86_64")}
RUNS = """
import platform, ssl, sqlite3, uvloop, app.server, app.store.dynamodb.table
from app.accounts import passwords
print(platform.machine())
"""


@pytest.fixture(scope="module")
def other(image: str) -> Iterator[str]:
    """The image for the processor that this machine is not."""
    with built(OTHER[inspect(image)["Architecture"]][0]) as tag:
        yield tag


def test_the_list_of_files_allows_each_of_them(image: str) -> None:
    allowed = (Path(__file__).parent / "files.txt").read_text().split()
    patterns = re.compile("|".join(fnmatch.translate(line) for line in allowed))
    with exported(image) as archive:
        found = [member.name for member in archive if not member.isdir() and member.name not in MADE]
    assert len(found) > 500
    more = [name for name in found if not patterns.match(name)]
    assert not more, f"not in tests/docker/files.txt: {more}"
    assert not [name for name in found if name.endswith(".py") or "__pycache__" in name]


def test_nobody_can_write_to_a_file_or_become_its_owner(image: str) -> None:
    with exported(image) as archive:
        for member in archive:
            if member.name in MADE or member.issym():
                continue
            assert not member.mode & 0o7022, f"{member.name}: {member.mode:o}"
            assert member.uid == (10001 if member.name.rstrip("/") == "data" else 0), member.name


def test_it_is_small(image: str) -> None:
    assert inspect(image)["Size"] <= 80_000_000
    save = subprocess.run(["docker", "save", image], stdout=subprocess.PIPE, timeout=60, check=True)
    # A little more than the layers alone, each compressed by itself, as a registry keeps them.
    assert len(gzip.compress(save.stdout, 6)) <= 30_000_000


def test_two_builds_give_the_same_layers(image: str, tmp_path: Path) -> None:
    """In folders and at times of their own, and without git. `image` comes first: it fetches the wheels."""
    first, second = tmp_path / "first", tmp_path / "second"
    for part in ("app", "docker"):
        shutil.copytree(ROOT / part, first / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(first, second)
    for file in (second / "app").rglob("*.py"):
        os.utime(file, (1, 1))
    layers = []
    for tree in (first, second):
        with built(root=tree, NO_CACHE="1", PYTHON=sys.executable) as tag:
            layers.append(inspect(tag)["RootFS"]["Layers"])
    assert layers[0] == layers[1]
    assert len(layers[0]) >= 4


def test_an_image_for_another_processor_is_one(image: str, other: str) -> None:
    assert inspect(other)["Architecture"] == OTHER[inspect(image)["Architecture"]][0]
    same = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "User", "WorkingDir")
    assert [inspect(other)["Config"][key] for key in same] == [inspect(image)["Config"][key] for key in same]
    for name in (image, other):
        machine, programs = MACHINE[inspect(name)["Architecture"]], 0
        with exported(name) as archive:
            for member in archive:
                if member.isfile() and (content := archive.extractfile(member)):
                    header = content.read(20)
                    if header.startswith(b"\x7fELF"):
                        programs += 1
                        assert int.from_bytes(header[18:20], "little") == machine, member.name
        assert programs > 40


def test_it_runs_there(image: str, other: str, tmp_path: Path) -> None:
    """Built without emulation, and run with it, one program at a time."""
    machine = OTHER[inspect(image)["Architecture"]][1]
    emulator = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    if not emulator:
        if os.environ.get("CI") == "true":
            pytest.fail(f"qemu-{machine} is not installed, and CI=true demands it")
        pytest.skip(f"qemu-{machine} is not installed (apt-get install qemu-user-static)")
    container = docker(
        "create", "--platform", f"linux/{OTHER[inspect(image)['Architecture']][0]}", other
    ).stdout
    try:
        export = subprocess.Popen(["docker", "export", container.strip()], stdout=subprocess.PIPE)
        subprocess.run(["tar", "--extract", "--directory", tmp_path], stdin=export.stdout, check=True)
        assert export.wait() == 0
    finally:
        docker("rm", container.strip())
    python = [emulator, "-L", tmp_path, tmp_path / "usr/bin/python3", "-c", RUNS]
    environment = {"PYTHONPATH": str(tmp_path / "srv/lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        python, cwd=tmp_path / "srv", env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.stdout.strip() == machine, done.stderr


def test_both_processors_have_the_same_files(image: str, other: str) -> None:
    def files(name: str) -> set[str]:
        with exported(name) as archive:
            found = {member.name for member in archive if not member.isdir()}
        plain = {re.sub("x86_64|aarch64", "MACHINE", one) for one in found}
        return {one for one in plain if "ld-linux" not in one}

    assert files(image) == files(other)


def test_every_debian_package_is_named_with_its_licence(image: str) -> None:
    with exported(image) as archive:
        names = [member.name for member in archive]
    packages = {name.rpartition("/")[2] for name in names if name.startswith("var/lib/dpkg/status.d/")} - {""}
    assert {"libc6", "libssl3t64", "ca-certificates"} <= packages
    assert packages == {name.split("/")[3] for name in names if re.match("usr/share/doc/.+/copyright", name)}


def test_the_engine_agrees_that_it_is_for_this_machine(image: str) -> None:
    assert inspect(image)["Architecture"] == docker("version", "--format", "{{.Server.Arch}}").stdout.strip()
