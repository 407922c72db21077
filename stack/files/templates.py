"""CloudFormation templates as files: what they take, hold and give. No AWS call is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from stack.errors import usage
from stack.files.parameters import Parameter, declared

# CreateChangeSet takes no longer TemplateBody, in bytes (a longer one goes through a bucket).
MAX_BODY = 51_200
# Properties that give an IAM resource a name of one's own.
_IAM_NAMES = {"GroupName", "InstanceProfileName", "ManagedPolicyName", "RoleName", "UserName"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # several times as fast
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
class Resource:
    """A resource of a template. `description` is its `Metadata: Description:`, or its type in words."""

    logical_id: str
    type: str
    description: str
    retained: bool


@dataclass(frozen=True)
class Template:
    """One file of cloudformation/, with what the environment file puts into its text.

    `body` is the text that is sent, `document` the same as plain dictionaries. `region` is the one that it
    has to be in, wherever the environment is (`Metadata: EchoRoom: Region:`); "" for the environment's.
    """

    stack: str
    file: Path
    body: str
    document: Mapping[str, Any]
    description: str
    parameters: Mapping[str, Parameter]
    resources: Mapping[str, Resource]
    outputs: tuple[str, ...]
    region: str = ""

    @property
    def capabilities(self) -> list[Literal["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]]:
        """What CloudFormation wants said aloud before it makes what this template holds."""
        identities = [
            found
            for found in self.document["Resources"].values()
            if str(found.get("Type", "")).startswith("AWS::IAM::")
        ]
        if any(_IAM_NAMES & (found.get("Properties") or {}).keys() for found in identities):
            return ["CAPABILITY_NAMED_IAM"]
        return ["CAPABILITY_IAM"] if identities else []


def in_words(resource_type: str) -> str:
    """Say a type for people: "AWS::ECS::TaskDefinition" -> "ECS task definition"."""
    parts = resource_type.split("::")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", parts[-1]).lower()
    service = {"ElasticLoadBalancingV2": "", "ApplicationAutoScaling": "", "CloudFormation": ""}.get(
        parts[1] if len(parts) > 1 else "", parts[1] if len(parts) > 1 else ""
    )
    return f"{service} {words}".strip()


def _resource(logical_id: str, found: Mapping[str, Any]) -> Resource:
    kind = str(found.get("Type", ""))
    metadata = found.get("Metadata")
    words = metadata.get("Description") if isinstance(metadata, dict) else None
    return Resource(
        logical_id=logical_id,
        type=kind,
        description=str(words) if words else in_words(kind),
        retained=found.get("DeletionPolicy") in ("Retain", "RetainExceptOnCreate", "Snapshot"),
    )


def _region(document: Mapping[str, Any]) -> str:
    metadata = document.get("Metadata")
    own = metadata.get("EchoRoom") if isinstance(metadata, dict) else None
    return str(own.get("Region", "")) if isinstance(own, dict) else ""


def read(file: Path) -> str:
    """Read a template's text. Raises a usage ToolError that names the file."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise usage(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise usage(f"{file}: is not UTF-8: {error}") from error


def make(stack: str, file: Path, body: str) -> Template:
    """Make the template of `stack` from its text. Raises a usage ToolError that names file and line."""
    try:
        document = parse(body)
    except yaml.YAMLError as error:
        raise usage(f"{file}: is not YAML: {' '.join(str(error).split())}") from error
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise usage(f"{file}: has no Resources, so it is no template")
    if len(body.encode()) > MAX_BODY:
        raise usage(
            f"{file}: has {len(body.encode())} bytes; CloudFormation takes {MAX_BODY} at most",
            "Split it into two stacks.",
        )
    return Template(
        stack=stack,
        file=file,
        body=body,
        document=document,
        description=str(document.get("Description", "")),
        parameters={name: declared(name, value) for name, value in document.get("Parameters", {}).items()},
        resources={name: _resource(name, value) for name, value in resources.items()},
        outputs=tuple(document.get("Outputs", {})),
        region=_region(document),
    )
