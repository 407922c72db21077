"""What a resource type consists of, and how its functions call the emulated service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud import emulator

#: Physical id and the attributes of `Fn::GetAtt`.
Made = tuple[str, dict[str, Any]]
Properties = dict[str, Any]


@dataclass(frozen=True)
class Provisioner:
    """How to create, update and delete resources of one type.

    `create(logical_id, properties, stack_name)` and `update(physical_id, old, new, stack_name)` answer with
    the physical id and the attributes; `delete(physical_id, properties)` with nothing. A failure is any
    exception; its text becomes the resource's ResourceStatusReason. `update` only gets changes that do not
    need a replacement, which is what the type's schema says, or `replaces(old, new)` where the schema says
    that it depends. What is None is MiniStack's own.
    """

    create: Callable[[str, Properties, str], Made] | None = None
    update: Callable[[str, Properties, Properties, str], Made] | None = None
    delete: Callable[[str, Properties], None] | None = None
    tagged: bool = False
    replaces: Callable[[Properties, Properties], bool] | None = None

    @classmethod
    def by_put(
        cls, put: Callable[[Properties], Made], delete: Callable[[str, Properties], None]
    ) -> Provisioner:
        """A type whose API creates and updates with one call, which says all there is to say."""
        return cls(
            lambda _id, properties, _stack: put(properties), lambda _id, _old, new, _stack: put(new), delete
        )

    def handlers(self, existing: Mapping[str, Any]) -> dict[str, Any]:
        """The entry of `_RESOURCE_HANDLERS`, on top of MiniStack's own where there is one."""
        entry = dict(existing)
        for name in ("create", "update", "delete"):
            handler = getattr(self, name)
            if handler is not None:
                entry[name] = handler
                entry.pop(f"{name}_with_logical_id", None)
        return entry


class ServiceRefusedError(ValueError):
    """A service's error answer, worded as CloudFormation words it in a stack event."""


def call(service: str, handler: Callable[..., Any], *arguments: Any) -> Any:
    """Call an API function of MiniStack and return its body, parsed when it is JSON, else as text.

    Raises ServiceRefusedError with the service's code and message.
    """
    status, _headers, body = handler(*arguments)
    text = body.decode() if isinstance(body, bytes) else str(body)
    if status < 400:
        return json.loads(text) if text.startswith("{") else text
    if text.startswith("{"):
        error = json.loads(text)
        code = str(error.get("__type", "")).rpartition("#")[2]
        message = error.get("message") or error.get("Message") or ""
    else:
        code, message = _tag(text, "Code"), _tag(text, "Message")
    raise ServiceRefusedError(f"{message} (Service: {service}, Status Code: {status}, Error Code: {code})")


def _tag(xml: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", xml, re.DOTALL)
    return found.group(1) if found else ""


def attributes_changed(resource_type: str, physical_id: str, attributes: dict[str, Any]) -> None:
    """Let `Fn::GetAtt` see what another resource changed of this one, in whatever stack it is."""
    for stack in emulator.module("services.cloudformation")._stacks.values():
        for record in stack.get("_resources", {}).values():
            if (record["ResourceType"], record["PhysicalResourceId"]) == (resource_type, physical_id):
                record["Attributes"] = {**record["Attributes"], **attributes}


def made_id(answer: str, prefix: str) -> str:
    """The id `<prefix>-...` in an answer of EC2's."""
    found = re.search(rf"\b{prefix}-[0-9a-zA-Z]+", answer)
    if found is None:
        raise RuntimeError(f"EC2 answered without an id {prefix}-...: {answer}")
    return found.group(0)


def query(**values: Any) -> dict[str, list[str]]:
    """Parameters as the query protocol delivers them; None is left out, `__` in a name stands for a dot."""
    return {
        name.replace("__", "."): [_text(value)]
        for name, value in values.items()
        if value is not None and value != ""
    }


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


#: Properties whose keys are the user's own names, not members of the API.
_FREE_KEYS = frozenset({"Options", "DockerLabels", "DriverOpts", "Labels"})


def camel(value: Any) -> Any:
    """CloudFormation's `PascalCase` members as the JSON APIs' `camelCase`, the user's own keys untouched."""
    if isinstance(value, dict):
        return {
            key[:1].lower() + key[1:]: inner if key in _FREE_KEYS else camel(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [camel(inner) for inner in value]
    return value
