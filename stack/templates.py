"""CloudFormation templates as files: what they take, hold and give. No AWS call is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stack.errors import nearest, usage

# CreateChangeSet takes no longer TemplateBody (characters beyond that go through a bucket).
MAX_BODY = 51_200


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, read as their long forms."""


def _short_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(f"unexpected YAML node {node!r}")
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _date(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """Dates such as the format version stay the text they are."""
    return loader.construct_scalar(node)


_Loader.add_multi_constructor("!", _short_tag)

_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def parse(body: str) -> dict[str, Any]:
    """Read a template's text (YAML or JSON) into plain dictionaries. Raises yaml.YAMLError."""
    loaded = yaml.load(body, Loader=_Loader)  # noqa: S506 (a SafeLoader with CloudFormation's tags)
    return loaded if isinstance(loaded, dict) else {}


@dataclass(frozen=True)
class Parameter:
    """A template parameter's declaration."""

    name: str
    type: str
    default: str | None
    no_echo: bool
    allowed: tuple[str, ...]
    pattern: str | None

    def refusal(self, value: str) -> str:
        """Say why CloudFormation would refuse `value`, or return an empty string."""
        if self.allowed and value not in self.allowed:
            return f'"{value}" is not one of {", ".join(self.allowed)}{nearest(value, self.allowed)}'
        if self.type == "Number" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
            return f'"{value}" is not a number'
        if self.pattern and not re.fullmatch(self.pattern, value):
            return f'"{value}" does not match {self.pattern}'
        return ""


@dataclass(frozen=True)
class Resource:
    """A resource of a template. `description` is its `Metadata: Description:`, or its type in words."""

    logical_id: str
    type: str
    description: str
    retained: bool


@dataclass(frozen=True)
class Template:
    """One file of cloudformation/."""

    stack: str
    file: Path
    body: str
    description: str
    parameters: Mapping[str, Parameter]
    resources: Mapping[str, Resource]
    outputs: tuple[str, ...]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _parameter(name: str, declared: Mapping[str, Any]) -> Parameter:
    default = declared.get("Default")
    return Parameter(
        name=name,
        type=str(declared.get("Type", "String")),
        default=None if default is None else _text(default),
        no_echo=_text(declared.get("NoEcho", False)).lower() == "true",
        allowed=tuple(_text(value) for value in declared.get("AllowedValues", ())),
        pattern=declared.get("AllowedPattern"),
    )


def in_words(resource_type: str) -> str:
    """Say a type for people: "AWS::ECS::TaskDefinition" -> "ECS task definition"."""
    parts = resource_type.split("::")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", parts[-1]).lower()
    service = {"ElasticLoadBalancingV2": "", "ApplicationAutoScaling": "", "CloudFormation": ""}.get(
        parts[1] if len(parts) > 1 else "", parts[1] if len(parts) > 1 else ""
    )
    return f"{service} {words}".strip()


def _resource(logical_id: str, declared: Mapping[str, Any]) -> Resource:
    kind = str(declared.get("Type", ""))
    metadata = declared.get("Metadata")
    words = metadata.get("Description") if isinstance(metadata, dict) else None
    return Resource(
        logical_id=logical_id,
        type=kind,
        description=str(words) if words else in_words(kind),
        retained=declared.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate", "Snapshot"),
    )


def load(stack: str, file: Path) -> Template:
    """Read the template of `stack`. Raises a usage ToolError that names file and line."""
    try:
        body = file.read_text(encoding="utf-8")
    except OSError as error:
        raise usage(f"{file}: cannot be read: {error.strerror}") from error
    try:
        document = parse(body)
    except yaml.YAMLError as error:
        raise usage(f"{file}: is not YAML: {' '.join(str(error).split())}") from error
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise usage(f"{file}: has no Resources, so it is no template")
    if len(body) > MAX_BODY:
        raise usage(
            f"{file}: has {len(body)} characters; CloudFormation takes {MAX_BODY} at most",
            "Split it into two stacks.",
        )
    return Template(
        stack=stack,
        file=file,
        body=body,
        description=str(document.get("Description", "")),
        parameters={name: _parameter(name, value) for name, value in document.get("Parameters", {}).items()},
        resources={name: _resource(name, value) for name, value in resources.items()},
        outputs=tuple(document.get("Outputs", {})),
    )
