"""The last stage of a Dockerfile as an image's configuration: environment, command, port, user, labels."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.errors import ToolError

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass
class Configuration:
    """What the OCI image configuration calls `config`."""

    env: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    working_dir: str = "/"
    ports: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    user: str = ""

    def as_oci(self) -> dict[str, Any]:
        """Return the configuration as OCI's image specification spells it."""
        return {
            "Env": [f"{key}={value}" for key, value in self.env.items()],
            "Entrypoint": self.entrypoint,
            "Cmd": self.command,
            "WorkingDir": self.working_dir,
            "ExposedPorts": {port: {} for port in self.ports},
            "Labels": self.labels,
            "User": self.user,
        }


def _instructions(text: str) -> list[tuple[str, str]]:
    """Logical lines as (INSTRUCTION, rest), comments and continuations dealt with."""
    joined: list[str] = []
    pending = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        stripped = line.strip()
        if stripped.endswith("\\"):
            pending += stripped[:-1] + " "
        elif pending or stripped:
            joined.append(pending + stripped)
            pending = ""
    found = (line.strip().partition(" ") for line in joined if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in found]


def _last_stage(text: str) -> list[tuple[str, str]]:
    """Instructions of the last stage, after those of the stages of this file that it builds on."""
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in _instructions(text):
        if word == "FROM":
            parts = rest.split()
            current = list(stages.get(parts[0], []))
            if len(parts) == 3 and parts[1].upper() == "AS":
                stages[parts[2]] = current
        else:
            current.append((word, rest))
    return current


def read(file: Path, version: str) -> Configuration:
    """Read the last stage; `version` is the value of its ARG VERSION. Raises a ToolError naming the line."""
    found = Configuration()
    arguments = {"VERSION": version}
    for word, rest in _last_stage(file.read_text(encoding="utf-8")):
        filled = _filled(rest, {**arguments, **found.env})
        if word == "ARG":
            name, _, default = filled.partition("=")
            arguments.setdefault(name, default.strip('"'))
        elif word == "ENV":
            found.env.update(_pairs(filled, file, word))
        elif word == "LABEL":
            found.labels.update(_pairs(filled, file, word))
        elif word == "WORKDIR":
            found.working_dir = filled
        elif word == "EXPOSE":
            found.ports += [port if "/" in port else f"{port}/tcp" for port in filled.split()]
        elif word == "USER":
            found.user = filled
        elif word == "ENTRYPOINT":
            found.entrypoint, found.command = _exec_form(filled, file, word), []
        elif word == "CMD":
            found.command = _exec_form(filled, file, word)
    return found


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: known.get(match[1] or match[2], ""), text)


def _pairs(text: str, file: Path, word: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in shlex.split(text):
        key, separator, value = part.partition("=")
        if not separator:
            raise ToolError(f"{file}: {word} {text}: write {word} as key=value")
        pairs[key] = value
    return pairs


def _exec_form(text: str, file: Path, word: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(item, str) for item in words):
        raise ToolError(
            f'{file}: {word} {text}: write {word} in JSON form, like {word} ["python3", "-m", "app"]'
        )
    return words
