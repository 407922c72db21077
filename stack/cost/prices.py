"""The table of prices, and what one line of a bill is made of."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True)
class Price:
    """USD for one `unit` (of something that lasts: for one that is there the whole month)."""

    usd: float
    unit: str


@dataclass(frozen=True)
class Prices:
    """The file: whose prices, of when, by name. `hours` are those of a month."""

    region: str
    date: date
    source: str
    hours: float
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.by_name[name]

    def note(self, region: str) -> str:
        """Say whose prices these are for an environment in `region`."""
        said = f"List prices of {self.region}, {self.date:%B %Y}, without free tier, discounts and taxes."
        if region != self.region:
            said += f" The environment is in {region}, whose prices differ."
        return said


@functools.cache
def load() -> Prices:
    """Read the table."""
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return Prices(
        content["region"],
        content["date"],
        content["source"],
        content["hours"],
        {
            name: Price(float(item["usd"]), item["unit"])
            for name, item in content.items()
            if isinstance(item, dict)
        },
    )


@dataclass(frozen=True)
class Line:
    """One thing that is paid for: `amount` units of `price` a month. `traffic`: only when it is used."""

    stack: str
    resource: str
    what: str
    amount: float
    price: Price
    traffic: bool

    @property
    def month(self) -> float:
        """USD a month."""
        return self.amount * self.price.usd


@dataclass(frozen=True)
class NotPriced:
    """Something that costs, or may cost, and is in no sum."""

    stack: str
    resource: str
    why: str
