"""JSON bodies of Flask's routes: as strict as echo's, and stricter about members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from app.echo import parse, require_json
from app.problems import Problem


@dataclass(frozen=True)
class Text:
    """A string member of `shortest` to `longest` characters."""

    shortest: int
    longest: int
    optional: bool = False

    def check(self, name: str, value: object) -> str:
        """The value. Raises Problem (422)."""
        if type(value) is not str or not self.shortest <= len(value) <= self.longest:
            raise invalid(name, f"must be a string of {self.shortest} to {self.longest} characters")
        return value


@dataclass(frozen=True)
class Whole:
    """An optional member: a whole number from `low` to `high`; null is as good as none."""

    low: int
    high: int
    optional: bool = True

    def check(self, name: str, value: object) -> int:
        """The value. Raises Problem (422)."""
        if type(value) is not float or not value.is_integer() or not self.low <= value <= self.high:
            raise invalid(name, f"must be a whole number from {self.low} to {self.high}")
        return int(value)


def invalid(name: str, rule: str) -> Problem:
    """422 about the member `name`."""
    return Problem("invalid-member", f"The member `{name}` {rule}.")


def members(expected: Mapping[str, Text | Whole]) -> dict[str, Any]:
    """The members of the request's JSON object, checked; optional ones that are missing or null are None.

    Raises Problem: 415, 400, or 422 for a member that is missing, wrong, or unknown (lest a misspelt one be
    overlooked).
    """
    headers = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in request.headers}
    require_json(headers)
    given = parse(request.get_data())
    unknown = next((name for name in given if name not in expected), None)
    if unknown is not None:
        known = ", ".join(f"`{name}`" for name in expected)
        raise Problem("invalid-member", f"There is a member that this route does not know; it knows {known}.")
    values: dict[str, Any] = {}
    for name, kind in expected.items():
        value = given.get(name)
        if value is None and kind.optional:
            values[name] = None
        elif name not in given:
            raise invalid(name, "is missing")
        else:
            values[name] = kind.check(name, value)
    return values
