"""Property values read from two templates, for endpoints whose change sets do not hold before and after."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack import templates
from stack.clients import Cloud
from stack.parameters import HIDDEN
from stack.stacks import Stack

_IN_TEXT = re.compile(r"\$\{([^!{}]+)\}")


@dataclass(frozen=True)
class Side:
    """A template with its parameters' values: how a stack is, or how it would be."""

    resources: Mapping[str, Any]
    values: Mapping[str, str]
    outputs: Mapping[str, Any]

    def retains(self, logical_id: str) -> bool:
        """Say whether a resource stays when it is removed."""
        policy = str(self.resources.get(logical_id, {}).get("DeletionPolicy", ""))
        return policy in ("Retain", "RetainExceptOnCreate")

    def value(self, logical_id: str, path: str) -> str | None:
        """Return the value at `path` ("A.B") of a resource's Properties as text; None where it has none."""
        found: Any = self.resources.get(logical_id, {}).get("Properties", {})
        for key in path.split("."):
            if not isinstance(found, dict) or key not in found:
                return None
            found = found[key]
        resolved = self._resolved(found)
        return resolved if isinstance(resolved, str) else json.dumps(resolved, sort_keys=True)

    def _resolved(self, value: Any) -> Any:
        """Put parameters' values in; what only CloudFormation can know stays as it is written."""
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return self.values.get(str(value["Ref"]), f"!Ref {value['Ref']}")
        if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
            return _IN_TEXT.sub(lambda found: self.values.get(found[1], found[0]), value["Fn::Sub"])
        return {key: self._resolved(item) for key, item in value.items()}


def side(body: str, values: Mapping[str, str]) -> Side:
    """Make a side from a template's text and the values given to its parameters. NoEcho values are hidden."""
    document = templates.parse(body)
    shown: dict[str, str] = {}
    for name, declared in document.get("Parameters", {}).items():
        no_echo = str(declared.get("NoEcho", False)).lower() == "true"
        default = declared.get("Default")
        value = values.get(name, None if default is None else str(default))
        if no_echo:
            shown[name] = HIDDEN
        elif value is not None:
            shown[name] = value
    return Side(document.get("Resources", {}), shown, document.get("Outputs", {}))


def current(cloud: Cloud, stack: Stack) -> Side:
    """Read how the stack is now."""
    body = cloud.cloudformation.get_template(StackName=stack.id, TemplateStage="Original")["TemplateBody"]
    return side(body if isinstance(body, str) else json.dumps(body), stack.parameters)
