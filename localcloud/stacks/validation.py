"""Properties against AWS's resource schemas, as CloudFormation checks them before it calls a service.

The copies of the schemas that cfn-lint bundles also hold rules of its own; only JSON Schema's keywords count
here, as for CloudFormation. What a service refuses beyond them, the service refuses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from localcloud import emulator, schemas

Tree = dict[str, Any]

#: The names that CloudFormation's messages give to JSON's types.
_TYPES = {
    "object": "JSONObject",
    "array": "JSONArray",
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "null": "Null",
}


class InvalidPropertiesError(ValueError):
    """Properties that CloudFormation refuses, in its words."""


def install() -> None:
    """Check every resource that an operation creates or changes, before its handler is called."""
    stacks = emulator.module("services.cloudformation.stacks")
    create, update = stacks._provision_keeping_seed, stacks._update_keeping_seed

    def checked_create(resource_type: str, logical_id: str, properties: Tree, *rest: Any) -> Any:
        check(resource_type, logical_id, properties)
        _refuse_taken(resource_type, properties)
        return create(resource_type, logical_id, properties, *rest)

    def checked_update(
        resource_type: str, physical_id: str, old: Tree, new: Tree, stack: str, logical_id: str, *rest: Any
    ) -> Any:
        if new != old:
            check(resource_type, logical_id, new)
        return update(resource_type, physical_id, old, new, stack, logical_id, *rest)

    stacks._provision_keeping_seed = checked_create
    stacks._update_keeping_seed = checked_update


def check(resource_type: str, logical_id: str, properties: Tree) -> None:
    """Raise InvalidPropertiesError for what the type's schema does not allow.

    `properties` are resolved and coerced; what is still a function or a dynamic reference fits anywhere.
    """
    found = problems(resource_type, properties)
    if found:
        raise InvalidPropertiesError(
            f"Properties validation failed for resource {logical_id} with message: {' '.join(found)}"
        )


def _refuse_taken(resource_type: str, properties: Tree) -> None:
    """Refuse a name that a resource of any stack has; MiniStack would have two stacks share the resource."""
    identifier = schemas.given_identifier(resource_type)
    name = properties.get(identifier) if identifier else None
    if not name:
        return
    for stack in emulator.module("services.cloudformation")._stacks.values():
        for record in stack.get("_resources", {}).values():
            if (record["ResourceType"], record["PhysicalResourceId"]) == (resource_type, name):
                raise InvalidPropertiesError(f"{name} already exists in stack {stack['StackId']}")


def problems(resource_type: str, properties: Tree) -> list[str]:
    """Everything the schema does not allow, one message each; empty for a type without a schema."""
    validator = _validator(resource_type)
    if validator is None:
        return []
    given = _without_system_tags(properties)
    found = [message for error in validator.iter_errors(given) for message in _messages(error)]
    return [*found, *_read_only(resource_type, properties)]


#: How the tags that CloudFormation adds by itself begin.
_SYSTEM = "aws:cloudformation:"


def _without_system_tags(properties: Tree) -> Tree:
    """The properties as the template has them: CloudFormation's own tags, added by now, fit no pattern."""
    tags = properties.get("Tags")
    if not isinstance(tags, list):
        return properties
    own = [tag for tag in tags if not (isinstance(tag, dict) and str(tag.get("Key")).startswith(_SYSTEM))]
    return {**properties, "Tags": own} if own else {k: v for k, v in properties.items() if k != "Tags"}


@cache
def _validator(resource_type: str) -> Draft202012Validator | None:
    schema = schemas.schema(resource_type)
    if schema is None:
        return None
    try:
        return Draft202012Validator(schema)
    except ValidationError:
        # Some types, none of this project's templates, have patterns that only Java reads.
        return Draft202012Validator(_without_patterns(schema))


def _without_patterns(schema: Tree) -> Tree:
    schema = copy.deepcopy(schema)

    def clean(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("pattern"), str):
                del node["pattern"]
            node.pop("patternProperties", None)
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            clean(inner)

    clean(schema)
    return schema


def _read_only(resource_type: str, properties: Tree) -> Iterator[str]:
    """What the service makes up cannot be given."""
    for path in (schemas.schema(resource_type) or {}).get("readOnlyProperties") or []:
        name = path.removeprefix("/properties/")
        if name in properties:
            yield f"#: extraneous key [{name}] is not permitted"


def _messages(error: ValidationError) -> Iterator[str]:
    # One class per keyword, with members of its own that its type information does not tell.
    kind: Any = error.kind
    if _unresolved(error.instance, deep=kind.name in ("anyOf", "oneOf")):
        return
    where = "/".join(["#", *map(str, error.instance_path)])
    if kind.name == "additionalProperties":
        for key in kind.unexpected:
            yield f"{where}: extraneous key [{key}] is not permitted"
    else:
        words = _WORDS.get(kind.name, lambda *_: f"failed validation constraint for keyword [{kind.name}]")
        yield f"{where}: {words(kind, error.instance)}"


def _unresolved(value: Any, deep: bool) -> bool:
    if isinstance(value, str):
        return "{{resolve:" in value
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
            return True
        value = list(value.values())
    return deep and isinstance(value, list) and any(_unresolved(inner, deep) for inner in value)


def _expected(types: list[str]) -> str:
    return " or ".join(_TYPES[name] for name in sorted(types))


def _found(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return _TYPES[kinds.get(type(value), "null")]


#: What CloudFormation says of a value, per JSON Schema keyword; of others it says only that they failed.
_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "required": lambda kind, _: f"required key [{kind.property}] not found",
    "type": lambda kind, value: f"expected type: {_expected(kind.types)}, found: {_found(value)}",
    "maximum": lambda kind, value: f"{value} is not less or equal to {kind.limit}",
    "minimum": lambda kind, value: f"{value} is not greater or equal to {kind.limit}",
    "maxLength": lambda kind, value: f"expected maxLength: {kind.limit}, actual: {len(value)}",
    "minLength": lambda kind, value: f"expected minLength: {kind.limit}, actual: {len(value)}",
    "maxItems": lambda kind, value: f"expected maximum item count: {kind.limit}, found: {len(value)}",
    "minItems": lambda kind, value: f"expected minimum item count: {kind.limit}, found: {len(value)}",
    "uniqueItems": lambda *_: "array items are not unique",
    "anyOf": lambda *_: "#: no subschema matched",
    "oneOf": lambda *_: "#: not exactly one subschema matched",
}
