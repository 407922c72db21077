"""What AWS's service models say of a request: required members, enumerations, ranges and lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, ServiceModel, Shape, StructureShape

_NUMBERS = ("integer", "long", "float", "double")


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)


def problem(service: str, operation: str, request: Mapping[str, Any]) -> str | None:
    """What a request violates, worded as AWS words it; None when it violates nothing.

    Members that the model does not know are left alone; numbers may be texts, as in the query protocol.
    """
    shape = _service(service).operation_model(operation).input_shape
    found = list(_of(shape, request, "")) if shape else []
    if not found:
        return None
    return f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {'; '.join(found)}"


def _of(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name in shape.required_members:
            if value.get(name) is None:
                yield _failed(None, _at(path, name), "not be null")
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _of(member, value[name], _at(path, name))
        return
    if isinstance(shape, ListShape) and isinstance(value, list):
        yield from _bounded(shape, len(value), "have length", value, path)
        for number, each in enumerate(value, 1):
            yield from _of(shape.member, each, f"{path}.{number}.member")
    elif shape.type_name == "string" and isinstance(value, str):
        words = shape.metadata.get("enum")
        if words and value not in words:
            yield _failed(value, path, f"satisfy enum value set: [{', '.join(words)}]")
        yield from _bounded(shape, len(value), "have length", value, path)
    elif shape.type_name in _NUMBERS:
        try:
            yield from _bounded(shape, float(value), "have value", value, path)
        except (TypeError, ValueError):
            yield _failed(value, path, f"be of type {shape.type_name}")


def _bounded(shape: Shape, size: float, what: str, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _failed(value, path, f"{what} greater than or equal to {least}")
    if most is not None and size > most:
        yield _failed(value, path, f"{what} less than or equal to {most}")


def _failed(value: Any, path: str, must: str) -> str:
    given = "null" if value is None else f"'{value}'"
    return f"Value {given} at '{path}' failed to satisfy constraint: Member must {must}"


def _at(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name
