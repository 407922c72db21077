"""The software bill of materials: what it lists, of which image, and that one image always gives the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack.errors import ToolError
from stack.image import archive, sbom
from stack.terminal import Terminal
from tests.stack.saved_images import Layer, save, stand_in

OS_RELEASE = b'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n'
LIBC = b"Package: libc6\nSource: glibc\nVersion: 2.41-12+deb13u1\nArchitecture: amd64\nDescription: C\n lib\n"
FLASK = b"Metadata-Version: 2.4\nName: Flask\nVersion: 3.1.3\nLicense-Expression: BSD-3-Clause\n\nText: no\n"
OLD = (
    b"Metadata-Version: 2.1\nName: old.Thing\nVersion: 1.0\nLicense: UNKNOWN\n"
    b"Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved\n"
)
SLIM: Layer = {
    "etc/os-release": OS_RELEASE,
    "var/lib/dpkg/status.d/libc6": LIBC,
    "var/lib/dpkg/status.d/libc6.md5sums": b"d41d8cd98f00b204e9800998ecf8427e  usr/lib/libc.so.6\n",
    "usr/lib/python3.13/VERSION": b"3.13.5\n",
    "srv/lib/flask-3.1.3.dist-info/METADATA": FLASK,
    "srv/lib/old_thing-1.0.dist-info/METADATA": OLD,
    "srv/app/main.pyc": b"\0",
}
LABELS = {
    "org.opencontainers.image.created": "2026-11-20T10:00:00Z",
    "org.opencontainers.image.licenses": "MIT",
}


class Maker:
    """Makes SBOMs of images that are described as layers."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch, self.count = folder, monkeypatch, 0

    def text(self, *layers: Layer, config: dict[str, Any] | None = None, image: str = "echo-room:t1") -> str:
        self.count += 1
        file = self.folder / f"saved{self.count}.tar"
        identity = save(file, list(layers), config)
        stand_in(self.folder / f"bin{self.count}", self.monkeypatch, file, identity)
        with archive.opened(image) as opened:
            assert opened.config_digest == identity
            return sbom.make(image, opened)

    def purls(self, *layers: Layer, **options: Any) -> list[str]:
        content = json.loads(self.text(*layers, **options))
        return sorted(one["purl"] for one in content.get("components", []))


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return Maker(tmp_path, monkeypatch)


def test_an_image_without_a_package_manager_is_listed_in_full(maker: Maker) -> None:
    assert maker.purls(SLIM) == [
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13",
        "pkg:generic/cpython@3.13.5",
        "pkg:pypi/flask@3.1.3",
        "pkg:pypi/old-thing@1.0",
    ]


def test_an_image_with_debians_own_list_is_listed_in_full(maker: Maker) -> None:
    stanzas = (
        b"Package: libc6\nStatus: install ok installed\nVersion: 2.41-12\nArchitecture: amd64\n\n"
        b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n\n"
        b"Package: never\nStatus: purge ok not-installed\nVersion: 1\nArchitecture: all\n\n"
        b"Package: libpython3.13-stdlib\nStatus: hold ok unpacked\nVersion: 3.13.5-2\nArchitecture: amd64\n"
    )
    full: Layer = {
        "usr/lib/os-release": OS_RELEASE,
        "var/lib/dpkg/status": stanzas,
        "usr/lib/python3.13/VERSION": b"3.13.5\n",
        "usr/lib/python3/dist-packages/six-1.17.dist-info/METADATA": FLASK,
    }
    # CPython comes with a Debian package, and so do the distributions below dist-packages.
    assert maker.purls(full) == [
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
        "pkg:deb/debian/libpython3.13-stdlib@3.13.5-2?arch=amd64&distro=debian-13",
    ]


def test_cpython_of_its_own_image_is_known_from_the_environment(maker: Maker) -> None:
    config = {"config": {"Env": ["PYTHON_VERSION=3.13.9", "EMPTY"]}}
    assert maker.purls({"usr/local/bin/python3.13": b""}, config=config) == ["pkg:generic/cpython@3.13.9"]


def test_what_a_later_layer_hides_or_replaces_is_not_listed(maker: Maker) -> None:
    newer = FLASK.replace(b"3.1.3", b"4.0.0")
    hiding: Layer = {
        "srv/lib/.wh.old_thing-1.0.dist-info": b"",
        "var/lib/dpkg/status.d/libc6": LIBC.replace(b"2.41", b"2.42"),
        "srv/lib/flask-3.1.3.dist-info/.wh..wh..opq": b"",
        "srv/lib/flask-4.0.0.dist-info/METADATA": newer,
    }
    assert maker.purls(SLIM, hiding) == [
        "pkg:deb/debian/libc6@2.42-12%2Bdeb13u1?arch=amd64&distro=debian-13",
        "pkg:generic/cpython@3.13.5",
        "pkg:pypi/flask@4.0.0",
    ]


def test_it_is_valid_cyclonedx_and_says_which_image_it_is_of(maker: Maker) -> None:
    text = maker.text(SLIM, config={"config": {"Labels": LABELS}})
    # Takes a second, of every worker.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    content = json.loads(text)
    assert content["specVersion"] == "1.6"
    image = content["metadata"]["component"]
    assert (image["name"], image["version"], image["type"]) == ("echo-room", "t1", "container")
    assert image["licenses"] == [{"license": {"id": "MIT"}}]
    assert sbom.config_digest(text).startswith("sha256:")
    assert content["metadata"]["timestamp"] == "2026-11-20T10:00:00+00:00"
    licences = {one["purl"]: one.get("licenses") for one in content["components"]}
    assert licences["pkg:pypi/flask@3.1.3"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert licences["pkg:pypi/old-thing@1.0"] == [{"license": {"name": "MIT License"}}]
    root = next(one for one in content["dependencies"] if one["ref"] == image["bom-ref"])
    assert sorted(root["dependsOn"]) == sorted(one["bom-ref"] for one in content["components"])


def test_the_same_image_gives_the_same_bytes_and_another_does_not(maker: Maker) -> None:
    first = maker.text(SLIM, config={"created": "2026-11-20T10:00:00.123456789Z"})
    assert (
        maker.text(dict(reversed(SLIM.items())), config={"created": "2026-11-20T10:00:00.123456789Z"})
        == first
    )
    other = maker.text(SLIM, config={"created": "2026-11-20T10:00:01Z"})
    assert json.loads(other)["serialNumber"] != json.loads(first)["serialNumber"]


@pytest.mark.parametrize(
    ("label", "epoch", "expected"),
    [
        ("", "", "2020-01-01T00:00:00+00:00"),
        ("", "1700000000", "2023-11-14T22:13:20+00:00"),
        ("not a date", "1700000000", "2023-11-14T22:13:20+00:00"),
        ("2026-11-20T10:00:00+02:00", "1700000000", "2026-11-20T10:00:00+02:00"),
    ],
)
def test_its_time_is_the_images(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, label: str, epoch: str, expected: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    labels = {"org.opencontainers.image.created": label}
    config = {"created": "2020-01-01T00:00:00.5Z", "config": {"Labels": labels}}
    assert json.loads(maker.text(SLIM, config=config))["metadata"]["timestamp"] == expected


def test_it_is_written_once_beside_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "saved.tar"
    identity = save(saved, [SLIM])
    log = stand_in(tmp_path / "bin", monkeypatch, saved, identity)
    file = sbom.ensure(tmp_path, "echo-room:abc", Terminal())
    assert file == tmp_path / ".state" / "images" / "abc.cdx.json"
    assert capsys.readouterr().err == f"Wrote its SBOM, 4 components: {file}\n"
    content = file.read_bytes()
    sbom.ensure(tmp_path, "echo-room:abc", Terminal())
    assert log.read_text().count("save") == 1
    # A rebuilt image under the same tag is another one; half a file is none.
    file.write_text("{")
    sbom.ensure(tmp_path, "echo-room:abc", Terminal())
    assert log.read_text().count("save") == 2
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == ["abc.cdx.json"]


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path / "bin", monkeypatch, tmp_path / "missing.tar", "sha256:0")
    with pytest.raises(ToolError, match="echo-room:abc could not be read"), archive.opened("echo-room:abc"):
        pass
    (tmp_path / "missing.tar").write_bytes(b"no archive at all")
    with pytest.raises(ToolError, match="not as expected"), archive.opened("echo-room:abc"):
        pass
