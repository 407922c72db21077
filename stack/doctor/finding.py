"""What a check found, and what checks look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.scan.templates import Resolved

State = Literal["ok", "problem", "not known", "not needed"]


@dataclass(frozen=True)
class Finding:
    """What one check saw, and what to do next ("" where there is nothing to do)."""

    check: str
    state: State
    saw: str
    next: str = ""


Findings = Iterator[Finding]


@dataclass(frozen=True)
class Subject:
    """An environment as it is: its templates with its values put in, and its stacks, None where missing.

    `account` and `arn` say who asks; both are "" where nobody can tell.
    """

    cloud: Cloud
    templates: Mapping[str, Resolved]
    found: Mapping[str, Stack | None]
    account: str = ""
    arn: str = ""

    def count(self, kind: str) -> int:
        """How many resources of a type the templates have for this environment."""
        return sum(len(one.of_type(kind)) for one in self.templates.values())

    def setting(self, name: str) -> str:
        """The value of a parameter of this name, the file's or its default; "" for none."""
        environment = self.cloud.environment
        for stack, template in environment.templates.items():
            if name in template.parameters:
                value = environment.parameters[stack].get(name, template.parameters[name].default)
                return "" if value in (None, "none") else str(value)
        return ""
