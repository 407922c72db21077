"""What pricing a resource needs to see: the stack it is in, prices, use, and short ways to make lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stack.cost.prices import Line, NotPriced, Price, Prices
from stack.cost.usage import Usage
from stack.scan.resolve import references
from stack.scan.templates import Resolved


@dataclass(frozen=True)
class Context:
    """One stack's view.

    `own_image`: its tasks run the working tree's image, not another container. `families`: the task
    definitions of all stacks, by family.
    """

    found: Resolved
    prices: Prices
    usage: Usage
    own_image: bool
    families: Mapping[str, Mapping[str, Any]]

    def line(self, resource: str, what: str, amount: float, price: str, *, traffic: bool = False) -> Line:
        """Make a line of `amount` units of a price of the table."""
        return Line(self.found.stack, resource, what, amount, self.prices[price], traffic)

    def hours(self, resource: str, what: str, count: float, price: str) -> Line:
        """Make a line of `count` things that are there all the month."""
        return self.line(resource, what, count * self.prices.hours, price)

    def used(self, resource: str, what: str, amount: float, price: str) -> Line:
        """Make a line of something that is paid for by use."""
        return self.line(resource, what, amount, price, traffic=True)

    def at(self, resource: str, what: str, amount: float, price: Price, *, traffic: bool = False) -> Line:
        """Make a line of a price that is worked out from the table's."""
        return Line(self.found.stack, resource, what, amount, price, traffic)

    def not_priced(self, resource: str, why: str) -> NotPriced:
        """Name what is in no sum."""
        return NotPriced(self.found.stack, resource, why)

    def referring(self, kind: str, to: str) -> dict[str, Mapping[str, Any]]:
        """Properties of the stack's resources of a type that refer to the resource `to`."""
        return {
            name: properties
            for name, properties in self.found.of_type(kind).items()
            if to in references(properties)
        }

    @property
    def log_gb(self) -> float:
        """GB that the service writes into its log a month."""
        return self.usage.requests * self.usage.log_bytes / 1e9
