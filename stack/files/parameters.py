"""Template parameters: what a declaration allows, so that a wrong value is refused early."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stack.errors import nearest

HIDDEN = "****"

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Parameter:
    """A template parameter's declaration. `least` and `most` bound a number, the lengths a string."""

    name: str
    type: str
    default: str | None = None
    no_echo: bool = False
    allowed: tuple[str, ...] = ()
    pattern: str | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    shortest: int | None = None
    longest: int | None = None
    constraint: str = ""

    @property
    def is_list(self) -> bool:
        """Whether the value is a list, written with commas."""
        return self.type == "CommaDelimitedList" or self.type.startswith(
            ("List<", "AWS::SSM::Parameter::Value<List<")
        )

    def refusal(self, value: str) -> str:
        """Say why CloudFormation would refuse `value`, or return an empty string.

        What is said of a list's values holds for each of them, as CloudFormation has it.
        """
        if self.type.startswith("AWS::SSM::Parameter::"):
            return ""  # the value is the name of one that Systems Manager holds
        for item in value.split(",") if self.is_list else [value]:
            if why := self._refusal(item.strip() if self.is_list else item):
                return why
        return ""

    def _refusal(self, value: str) -> str:
        if self.allowed and value not in self.allowed:
            return f'"{value}" is not one of {", ".join(self.allowed)}{nearest(value, self.allowed)}'
        if self.type in ("Number", "List<Number>"):
            return self._number_refusal(value)
        if self.pattern and not re.fullmatch(self.pattern, value):
            return f'"{value}" does not match {self.pattern}' + (
                f" ({self.constraint})" if self.constraint else ""
            )
        if self.shortest is not None and len(value) < self.shortest:
            return f'"{value}" has {len(value)} characters; at least {self.shortest} are needed'
        if self.longest is not None and len(value) > self.longest:
            return f'"{value}" has {len(value)} characters; {self.longest} at most are allowed'
        return ""

    def _number_refusal(self, value: str) -> str:
        if not _NUMBER.fullmatch(value):
            return f'"{value}" is not a number'
        least = "" if self.least is None else str(self.least)
        most = "" if self.most is None else str(self.most)
        if self.least is not None and Decimal(value) < self.least:
            return (
                f"{value} is too small; allowed: {least} to {most}"
                if most
                else f"{value} is less than {least}"
            )
        if self.most is not None and Decimal(value) > self.most:
            return (
                f"{value} is too large; allowed: {least} to {most}"
                if least
                else f"{value} is more than {most}"
            )
        return ""


def text(value: Any) -> str:
    """CloudFormation's text for a scalar of a template."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def declared(name: str, found: Mapping[str, Any]) -> Parameter:
    """Read a declaration of a template's Parameters."""
    default = found.get("Default")
    return Parameter(
        name=name,
        type=str(found.get("Type", "String")),
        default=None if default is None else text(default),
        no_echo=text(found.get("NoEcho", False)).lower() == "true",
        allowed=tuple(text(value) for value in found.get("AllowedValues", ())),
        pattern=found.get("AllowedPattern"),
        least=_decimal(found.get("MinValue")),
        most=_decimal(found.get("MaxValue")),
        shortest=_whole(found.get("MinLength")),
        longest=_whole(found.get("MaxLength")),
        constraint=str(found.get("ConstraintDescription", "")),
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
