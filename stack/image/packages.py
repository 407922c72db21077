"""Which packages an image is made of, by the files that package managers leave: Debian's and Python's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from email.parser import HeaderParser

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from packageurl import PackageURL

# Debian's own image has one list, images without a package manager one file a package (as distroless has).
_DPKG = re.compile(r"/var/lib/dpkg/(status|status\.d/[^/]+)")
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# Debian registers its Python packages as well; they are Debian packages already.
_DISTRIBUTION = re.compile(r"(?!/usr/lib/python3/dist-packages/).*/[^/]+\.dist-info/METADATA")
_CPYTHON = re.compile(r"/usr/lib/python3\.\d+/VERSION")
_CPYTHON_OF_DEBIAN = re.compile(r"(lib)?python3\.\d+(-minimal|-stdlib)?")
# Longer, and it is a licence's text instead of its name.
_LICENSE_NAME = 100

LICENSES = LicenseFactory()


def tells(path: str) -> bool:
    """Whether components() wants to see the file with this absolute path."""
    patterns = (_DPKG, _DISTRIBUTION, _CPYTHON)
    return path in _OS_RELEASE or any(pattern.fullmatch(path) for pattern in patterns)


def components(files: Mapping[str, bytes], environment: Mapping[str, str]) -> list[Component]:
    """Every package that `files` (path -> content) know of; `environment` is the image's own."""
    texts = {path: content.decode("utf-8", "replace") for path, content in files.items()}
    debian = _debian(texts)
    found = [*debian, *_distributions(texts)]
    if not any(_CPYTHON_OF_DEBIAN.fullmatch(package.name) for package in debian):
        found += _cpython(texts, environment)
    # The same distribution may lie in two places.
    return list({str(component.purl): component for component in found}.values())


def _release(texts: Mapping[str, str]) -> dict[str, str]:
    text = next((texts[path] for path in _OS_RELEASE if path in texts), "")
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip("\"'") for key, value in pairs}


def _debian(texts: Mapping[str, str]) -> list[Component]:
    release = _release(texts)
    vendor = release.get("ID", "debian")
    distro = f"{vendor}-{release['VERSION_ID']}" if "VERSION_ID" in release else vendor
    found = []
    for stanza in _stanzas(text for path, text in sorted(texts.items()) if _DPKG.fullmatch(path)):
        name, version = stanza.get("Package"), stanza.get("Version")
        # A removed package may keep its stanza. In every other state its files are there; "unpacked" is usual
        # in an image for another architecture, whose packages were never configured.
        state = stanza.get("Status", "install ok installed").split()[-1]
        if not name or not version or state in ("not-installed", "config-files"):
            continue
        qualifiers = {"arch": stanza.get("Architecture", "all"), "distro": distro}
        purl = PackageURL("deb", vendor, name, version, qualifiers)
        # Debian's security tracker knows source packages, so whoever looks for vulnerabilities needs them.
        source = stanza.get("Source", name)
        found.append(
            Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=version,
                purl=purl,
                bom_ref=str(purl),
                properties=[Property(name="echo-room:debian:source", value=source)],
            )
        )
    return found


def _stanzas(texts: Iterable[str]) -> Iterable[Message]:
    for text in texts:
        for stanza in re.split(r"\n\s*\n", text.strip()):
            yield HeaderParser().parsestr(stanza)


def _distributions(texts: Mapping[str, str]) -> list[Component]:
    found = []
    for path, text in sorted(texts.items()):
        if not _DISTRIBUTION.fullmatch(path):
            continue
        metadata = HeaderParser().parsestr(text)
        name, version = metadata["Name"], metadata["Version"]
        purl = PackageURL("pypi", None, re.sub(r"[-_.]+", "-", name).lower(), version)
        found.append(
            Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=version,
                purl=purl,
                bom_ref=str(purl),
                licenses=_licenses(metadata),
            )
        )
    return found


def _licenses(metadata: Message) -> list[License]:
    """The best that METADATA says: an SPDX expression, a short licence field, else the classifiers."""
    if expression := metadata.get("License-Expression"):
        return [LICENSES.make_from_string(expression)]
    field = (metadata.get("License") or "").strip()
    if field and field != "UNKNOWN" and "\n" not in field and len(field) <= _LICENSE_NAME:
        return [LICENSES.make_from_string(field)]
    classifiers = [
        value.rsplit(" :: ", 1)[-1]
        for value in metadata.get_all("Classifier", [])
        if value.startswith("License :: ") and value != "License :: OSI Approved"
    ]
    return [LICENSES.make_with_name(name) for name in classifiers]


def _cpython(texts: Mapping[str, str], environment: Mapping[str, str]) -> list[Component]:
    """CPython that no Debian package brought: its VERSION file, or what Python's own images set."""
    versions = {text.strip() for path, text in texts.items() if _CPYTHON.fullmatch(path)}
    if not versions and "PYTHON_VERSION" in environment:
        versions = {environment["PYTHON_VERSION"]}
    return [
        Component(
            type=ComponentType.PLATFORM,
            name="cpython",
            version=version,
            purl=PackageURL("generic", None, "cpython", version),
            bom_ref=f"pkg:generic/cpython@{version}",
            cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
            licenses=[LICENSES.make_from_string("PSF-2.0")],
        )
        for version in sorted(versions)
    ]
