"""A bill as a table for people and as data for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from stack.cost import bill as bills
from stack.cost import prices
from stack.cost.bill import Bill
from stack.cost.prices import Line
from stack.cost.usage import Usage
from stack.errors import ToolError
from stack.files.environment import Environment
from stack.terminal import Terminal


def announce(terminal: Terminal, environment: Environment) -> None:
    """Say in one line what is about to be paid for. That it cannot be told is said too, and stops nothing."""
    try:
        found = bills.of(environment, Usage())
    except ToolError as error:
        terminal.notice(f"what it will cost cannot be told: {error.message}")
        return
    more = ", and what is not priced" if found.not_priced else ""
    terminal.say(f"About {found.idle:.0f} USD a month idle{more}; see it: make cost ENV={environment.name}")


def table(terminal: Terminal, environment: Environment, bill: Bill, usage: Usage) -> None:
    """Print each line under its stack, sums a stack and in all, then what was assumed and is not priced."""
    shown = Table(pad_edge=False)
    for heading in ("Resource", "What", "Amount", "Unit price", "Idle", "By use"):
        right = heading in ("Amount", "Idle", "By use")
        shown.add_column(heading, justify="right" if right else "left", no_wrap=heading != "What")
    for stack in environment.stacks:
        part = bill.of(stack)
        before = ""
        for line in part.lines:
            shown.add_row("" if line.resource == before else line.resource, *_cells(line))
            before = line.resource
        by_use = part.total - part.idle
        shown.add_row(stack, "in all", "", "", f"{part.idle:.2f}", f"{by_use:.2f}", style="bold")
        shown.add_section()
    by_use = bill.total - bill.idle
    shown.add_row(environment.name, "in all", "", "", f"{bill.idle:.2f}", f"{by_use:.2f}", style="bold")
    terminal.table(shown)
    terminal.result(f"Idle {bill.idle:.2f} USD a month, with the use assumed here {bill.total:.2f}.")
    for one in bill.not_priced:
        terminal.result(f"Not priced: {one.stack}.{one.resource}: {one.why}")
    terminal.say(prices.load().note(environment.region))
    terminal.say("Assumed:")
    for assumption in usage.in_words:
        terminal.say(f"  {assumption}")
    if environment.endpoint:
        terminal.say("This is what it would cost on AWS; at an endpoint of its own it costs nothing there.")


def _cells(line: Line) -> tuple[str, str, str, str, str]:
    month = f"{line.month:.2f}"
    amount = f"{line.amount:,.3f}".rstrip("0").rstrip(".")
    price = f"{line.price.usd:g} / {line.price.unit}"
    return (line.what, amount, price, *(("", month) if line.traffic else (month, "")))


def data(environment: Environment, bill: Bill, usage: Usage) -> Mapping[str, Any]:
    """Return the bill for --json; sums are USD a month, rounded to cents."""
    listed = prices.load()
    return {
        "environment": environment.name,
        "region": environment.region,
        "currency": "USD",
        "prices": {"region": listed.region, "date": listed.date.isoformat(), "source": listed.source},
        "usage": asdict(usage),
        **bill.as_data(),
        "stacks": {stack: bill.of(stack).as_data() for stack in environment.stacks},
        "lines": [
            {
                "stack": line.stack,
                "resource": line.resource,
                "what": line.what,
                "amount": line.amount,
                "unit": line.price.unit,
                "unit_price": line.price.usd,
                "month": line.month,
                "by_use": line.traffic,
            }
            for line in bill.lines
        ],
        "not_priced": [asdict(one) for one in bill.not_priced],
    }
