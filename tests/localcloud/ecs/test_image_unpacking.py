"""What a layer may write, and where."""

import io
import tarfile
from pathlib import Path

import pytest

from localcloud.ecs.images import extract


def unpack(member: tarfile.TarInfo, root: Path, content: bytes = b"") -> None:
    buffer = io.BytesIO()
    member.size = len(content)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        extract(archive, archive.next(), root)


def test_a_file_lands_below_the_root_without_foreign_rights(tmp_path: Path) -> None:
    member = tarfile.TarInfo("srv/app/run")
    member.mode = 0o6777
    unpack(member, tmp_path, b"content")
    assert (tmp_path / "srv/app/run").read_bytes() == b"content"
    assert (tmp_path / "srv/app/run").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("name", ["../outside", "srv/../../outside", "/outside"])
def test_nothing_lands_outside(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(tarfile.TarError, match="outside"):
        unpack(tarfile.TarInfo(name), root)
    assert list(tmp_path.rglob("*")) == [root]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_files_and_folders(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("srv/other")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(tarfile.TarError, match="neither"):
        unpack(member, tmp_path)
