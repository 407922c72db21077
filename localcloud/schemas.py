"""What AWS's own resource schemas say, from the copies that cfn-lint bundles.

The files are read directly: importing cfn-lint takes longer than the whole local cloud takes to start.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

Recreation = Literal["Always", "Conditionally", "Never"]


@cache
def _directory() -> Path:
    found = importlib.util.find_spec("cfnlint")
    if found is None or found.origin is None:
        raise RuntimeError("cfn-lint is not installed; install localcloud/requirements.txt")
    return Path(found.origin).parent / "data" / "schemas"


@cache
def _index() -> dict[str, str]:
    index: dict[str, str] = json.loads((_directory() / "providers" / "us-east-1.json").read_bytes())
    return index


@cache
def schema(resource_type: str) -> dict[str, Any] | None:
    """The schema of a resource type, None for a type AWS does not have."""
    digest = _index().get(resource_type)
    if digest is None:
        return None
    found: dict[str, Any] = json.loads((_directory() / "resources" / f"{digest}.json").read_bytes())
    return found


@cache
def recreation(resource_type: str, name: str) -> Recreation | None:
    """Whether changing the top-level property `name` replaces the resource; None for an unknown type.

    A property of which only a part can not be changed in place counts as "Conditionally".
    """
    found = schema(resource_type)
    if found is None:
        return None
    create_only = found.get("createOnlyProperties") or []
    if f"/properties/{name}" in create_only:
        return "Always"
    perhaps = [*create_only, *(found.get("conditionalCreateOnlyProperties") or [])]
    if any(path == f"/properties/{name}" or path.startswith(f"/properties/{name}/") for path in perhaps):
        return "Conditionally"
    return "Never"


@cache
def generated_identifier(resource_type: str) -> str | None:
    """The one property that the service makes up and `Ref` gives, None where it is otherwise."""
    found = schema(resource_type) or {}
    primary = found.get("primaryIdentifier") or []
    if len(primary) != 1 or primary[0] not in (found.get("readOnlyProperties") or []):
        return None
    return str(primary[0]).removeprefix("/properties/")


@cache
def given_identifier(resource_type: str) -> str | None:
    """The one property a template may give that identifies the resource, None where it is otherwise."""
    found = schema(resource_type) or {}
    primary = found.get("primaryIdentifier") or []
    if len(primary) != 1 or primary[0] in (found.get("readOnlyProperties") or []):
        return None
    return str(primary[0]).removeprefix("/properties/")


def coerced(resource_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The properties with every scalar in the type its schema names.

    A parameter's value is text whatever its type (`!Ref` of a Number gives "2"), and templates may write
    `"true"`; CloudFormation converts both before it calls a service, and so does this. What cannot be
    converted is left as it is for the service to refuse.
    """
    found = schema(resource_type)
    if found is None:
        return properties
    return {
        name: _coerce(value, found.get("properties", {}).get(name, {}), found)
        for name, value in properties.items()
    }


def _coerce(value: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    while "$ref" in node:
        part: Any = root
        for step in node["$ref"].removeprefix("#/").split("/"):
            part = part.get(step, {})
        node = part
    if isinstance(value, dict):
        named = node.get("properties", {})
        return {key: _coerce(inner, named.get(key, {}), root) for key, inner in value.items()}
    if isinstance(value, list):
        return [_coerce(inner, node.get("items", {}), root) for inner in value]
    wanted = node.get("type")
    kinds = wanted if isinstance(wanted, list) else [wanted]
    return _scalar(value, kinds)


def _scalar(value: Any, kinds: list[Any]) -> Any:
    if isinstance(value, str) and "string" not in kinds:
        if "boolean" in kinds and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if "integer" in kinds and value.lstrip("-").isdigit():
            return int(value)
        if "number" in kinds:
            try:
                return float(value)
            except ValueError:
                return value
    if kinds == ["string"]:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
    return value
