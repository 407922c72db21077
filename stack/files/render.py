"""What [container] of an environment file puts into a template's text: the container's variables and secrets.

A template says where by comment lines in its lists `Environment:` and `Secrets:`. What is reviewed, sent and
compared is the text with the entries in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

_MARKER = re.compile(r"^(?P<indent> *)# \[container\] (?P<table>environment|secrets) *$", re.MULTILINE)
_KEYS = {"environment": "Value", "secrets": "ValueFrom"}
# An ARN has seven parts; Secrets Manager's may go on with :json-key:version-stage:version-id.
_ARN_PARTS = 7


@dataclass(frozen=True)
class Container:
    """What an environment file says of the container; without an `image` one is built."""

    image: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, Mapping[str, str]]:
        """The tables that a template has a marker line for, by name."""
        return {"environment": self.environment, "secrets": self.secrets}

    @property
    def secret_arns(self) -> list[str]:
        """The ARNs that must be readable, each once, without what says which part of a secret is taken."""
        return list(dict.fromkeys(":".join(arn.split(":")[:_ARN_PARTS]) for arn in self.secrets.values()))


def markers(body: str) -> set[str]:
    """Names of the tables that a template's text has a marker line for."""
    return {found["table"] for found in _MARKER.finditer(body)}


def rendered(body: str, container: Container) -> str:
    """Put the container's entries below the marker lines, as list items at the lines' indentation."""

    def entries(found: re.Match[str]) -> str:
        table, indent = found["table"], found["indent"]
        return found[0] + "".join(
            f"\n{indent}- {{ Name: {_quoted(name)}, {_KEYS[table]}: {_quoted(value)} }}"
            for name, value in container.tables[table].items()
        )

    return _MARKER.sub(entries, body)


def _quoted(value: str) -> str:
    """A double-quoted YAML string on one line, whatever the value holds."""
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=2**31).strip("\n")


def set_by_template(document: Mapping[str, Any]) -> set[str]:
    """Names of the variables that the containers of a template's task definitions get."""
    return {
        name
        for resource in document.get("Resources", {}).values()
        if isinstance(resource, dict) and resource.get("Type") == "AWS::ECS::TaskDefinition"
        for container in resource.get("Properties", {}).get("ContainerDefinitions", ())
        if isinstance(container, dict)
        for key in ("Environment", "Secrets")
        for name in _names(container.get(key))
    }


def _names(value: Any) -> Iterator[str]:
    """Every `Name` below a list of variables, also those inside of an Fn::If."""
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, dict):
        if isinstance(value.get("Name"), str):
            yield value["Name"]
        else:
            for item in value.values():
                yield from _names(item)
