"""The bill of an environment: every resource of every stack, as the files say or as its stacks are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack.cost import parts, prices
from stack.cost.context import Context
from stack.cost.prices import Line, NotPriced
from stack.cost.usage import Usage
from stack.files.environment import IMAGE_PARAMETER, Environment
from stack.scan.templates import Resolved, resolved


@dataclass(frozen=True)
class Bill:
    """Lines in the order of the stacks, and what is in no sum. All sums are USD a month."""

    lines: tuple[Line, ...]
    not_priced: tuple[NotPriced, ...]

    @property
    def idle(self) -> float:
        """What it costs while nobody calls."""
        return sum((line.month for line in self.lines if not line.traffic), 0.0)

    @property
    def total(self) -> float:
        """What it costs with the assumed use."""
        return sum((line.month for line in self.lines), 0.0)

    def of(self, stack: str) -> Bill:
        """The part of one stack."""
        return Bill(
            tuple(line for line in self.lines if line.stack == stack),
            tuple(one for one in self.not_priced if one.stack == stack),
        )

    def as_data(self) -> Mapping[str, float]:
        """The two sums, for --json."""
        return {"idle": round(self.idle, 2), "total": round(self.total, 2)}


def of(environment: Environment, usage: Usage) -> Bill:
    """Make the bill of an environment as its file says. Raises a ToolError when a template has no sense."""
    return of_stacks(environment, resolved(environment), usage)


def of_stacks(environment: Environment, found: Mapping[str, Resolved], usage: Usage) -> Bill:
    """Make the bill of resolved stacks, which may differ from the file's."""
    lines: list[Line] = []
    not_priced: list[NotPriced] = []
    table = prices.load()
    families = {
        definition["Family"]: definition
        for stack in found.values()
        for definition in stack.of_type("AWS::ECS::TaskDefinition").values()
        if isinstance(definition.get("Family"), str)
    }
    for stack in found.values():
        context = Context(stack, table, usage, _builds(environment, stack), families)
        for name, item in stack.resources.items():
            properties: Mapping[str, Any] = item.get("Properties", {})
            for one in _priced(context, name, str(item["Type"]), properties):
                if isinstance(one, Line):
                    lines.append(one)
                else:
                    not_priced.append(one)
    return Bill(tuple(lines), tuple(not_priced))


def _priced(context: Context, name: str, kind: str, properties: Mapping[str, Any]) -> list[Line | NotPriced]:
    try:
        return list(parts.resource(context, name, kind, properties))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # A property that only CloudFormation can know, or of a form that it will refuse.
        why = f"its properties are not understood ({type(error).__name__}: {error})"
        return [context.not_priced(name, why)]


def _builds(environment: Environment, stack: Resolved) -> bool:
    return IMAGE_PARAMETER in stack.values and environment.builds_for(stack.stack)
