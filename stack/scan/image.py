"""Secrets in the image: in the files of every layer, also hidden ones, and in the image's configuration."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from stack.errors import ToolError
from stack.image import archive, pin
from stack.image.archive import Archive
from stack.scan.result import Check, Finding, Target, tool

_DETECTORS = Path(__file__).with_name("detectors.py")
# What has no place in an image, by name: a file's, or a folder's anywhere above it.
_FILES = re.compile(r"\.env(\..+)?|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pypirc|\.git-credentials")
_FOLDERS = {".git", ".aws", ".ssh", ".docker", ".cache"}
# A variable with such a name and a value is a secret, whatever it looks like.
_TELLING = re.compile(
    r"\b(?P<name>\w*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL)\w*)=(?P<value>\S+)",
    re.IGNORECASE,
)


def run(target: Target) -> list[Finding]:
    """Look through the image. Raises a ToolError where it cannot be built or read."""
    name = target.image or pin.build_here(target.root, None, target.terminal)
    with archive.opened(name) as image:
        return [*_misplaced(image), *_telling(image.config), *_secrets(image)]


def _misplaced(image: Archive) -> list[Finding]:
    places: dict[str, None] = {}
    for entry in image.entries():
        path = PurePosixPath(entry.path)
        folder = next((one for one in path.parents if one.name in _FOLDERS), None)
        if folder or _FILES.fullmatch(path.name):
            places[str(folder or path)] = None
    return [
        Finding(
            "misplaced-file",
            place,
            "does not belong in an image",
            "such files hold credentials, history or caches, and everybody who pulls the image gets them",
            "keep it out of the build's context or of the stage that is shipped",
        )
        for place in places
    ]


def _parts(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The image's configuration as texts with a name: environment, labels, commands, build steps."""
    settings: dict[str, Any] = config.get("config") or {}
    for key, value in sorted(settings.items()):
        if key == "Env":
            # In quotes, as detectors expect an assignment to look.
            value = "\n".join('{}="{}"'.format(*pair.partition("=")[::2]) for pair in value or [])
        yield f"configuration: {key}", value if isinstance(value, str) else json.dumps(value)
    steps = [str(step.get("created_by", "")) for step in config.get("history") or []]
    # With the classic builder, build arguments stand here as well: |1 NAME=value /bin/sh -c ...
    yield "configuration: history", "\n".join(steps)


def _telling(config: dict[str, Any]) -> list[Finding]:
    found = {}
    for where, text in _parts(config):
        for match in _TELLING.finditer(text):
            if match["value"].strip("\"'"):
                found[where, match["name"]] = Finding(
                    "secret-variable",
                    where,
                    f"{match['name']} has a value",
                    "the environment and the build's history can be read from the image",
                    "give it at run time, from Secrets Manager or a file; in a build, with --secret",
                )
    return list(found.values())


def _secrets(image: Archive) -> list[Finding]:
    # -I: nothing from the working directory or the environment is imported.
    words = [tool("python"), "-I", str(_DETECTORS)]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints)
        if process.stdin is None or process.stdout is None:
            raise ToolError("The detectors have no pipes.")
        try:
            # They answer when they have read everything, so neither side waits for the other.
            with process.stdin as sink:
                _send_all(image, sink)
        except BrokenPipeError:
            pass  # They ended early; why is told below.
        answer = process.stdout.read()
        process.stdout.close()
        if process.wait() != 0:
            complaints.seek(0)
            said = complaints.read().decode("utf-8", "replace").strip().splitlines() or ["nothing"]
            raise ToolError(f"The detectors ended with exit code {process.returncode}: {said[-1]}")
    return [_secret(json.loads(line)) for line in answer.splitlines()]


def _send_all(image: Archive, sink: IO[bytes]) -> None:
    for where, text in _parts(image.config):
        _send(sink, where, text.encode())
    for entry in image.entries():
        if entry.is_file:
            _send(sink, entry.path, entry.read())


def _send(sink: IO[bytes], where: str, content: bytes) -> None:
    sink.write(json.dumps({"where": where, "size": len(content)}).encode() + b"\n" + content)


def _secret(hit: dict[str, str]) -> Finding:
    return Finding(
        hit["rule"],
        hit["where"],
        f"looks like a secret at {hit['at']}: {hit['shown']}",
        "everybody who pulls the image can read it, and a later layer does not take it away",
        "revoke it if it is real and build without it; accept it if it is an example",
    )


CHECK = Check("image", "the image for secrets", False, run)
