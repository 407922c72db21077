"""Property values read from two templates, and which of them are secret.

CloudFormation gives before and after; templates fill in where an endpoint does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.files import templates
from stack.files.parameters import HIDDEN
from stack.scan.resolve import references

# Properties that hold a secret wherever they stand: one written into a template is not printed either.
_SECRET = {"AuthToken", "MasterUserPassword", "Password", "SecretString"}
# A shorter secret may be part of any word; only a value that is nothing else is hidden then.
_LONG_ENOUGH = 4
_IN_TEXT = re.compile(r"\$\{([^!{}]+)\}")


@dataclass(frozen=True)
class Side:
    """A template with its parameters' values: how a stack is, or how it would be."""

    resources: Mapping[str, Any]
    values: Mapping[str, str]
    outputs: Mapping[str, Any]
    no_echo: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()

    def hides(self, logical_id: str, path: str) -> bool:
        """Say whether what stands at `path` ("A.0.B") of a resource's Properties is made of a secret."""
        if any(key in _SECRET for key in path.split(".")):
            return True
        found = self._at(logical_id, path)
        return bool(references(found) & self.no_echo) or _holds_secret(found)

    def uses(self, logical_id: str, path: str, parameter: str) -> bool:
        """Say whether what stands at `path` of a resource's Properties is made of a parameter."""
        return parameter in references(self._at(logical_id, path))

    def _at(self, logical_id: str, path: str) -> Any:
        """What the template says at `path`; where a function is on the way, that as a whole."""
        found: Any = self.resources.get(logical_id, {}).get("Properties", {})
        for key in path.split("."):
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                break
        return found

    def without_secrets(self, text: str) -> str:
        """Return `text` with every known secret value in it hidden."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if text == secret:
                return HIDDEN
            if len(secret) >= _LONG_ENOUGH:
                text = text.replace(secret, HIDDEN)
        return text

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
    hidden: set[str] = set()
    secrets: set[str] = set()
    for name, declared in document.get("Parameters", {}).items():
        no_echo = str(declared.get("NoEcho", False)).lower() == "true"
        default = declared.get("Default")
        value = values.get(name, None if default is None else str(default))
        if no_echo:
            shown[name] = HIDDEN
            hidden.add(name)
            secrets |= {str(one) for one in (value, default) if one not in (None, "", HIDDEN)}
        elif value is not None:
            shown[name] = value
    return Side(
        document.get("Resources", {}),
        shown,
        document.get("Outputs", {}),
        frozenset(hidden),
        frozenset(secrets),
    )


def _holds_secret(value: Any) -> bool:
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, dict) and any(key in _SECRET or _holds_secret(value[key]) for key in value)


def current(cloud: Cloud, stack: Stack) -> Side:
    """Read how the stack is now."""
    body = cloud.of(stack.id).cloudformation.get_template(StackName=stack.id, TemplateStage="Original")[
        "TemplateBody"
    ]
    return side(body if isinstance(body, str) else json.dumps(body), stack.parameters)
