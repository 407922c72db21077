"""The command that says what an environment costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from stack.aws.clients import Cloud
from stack.commands.base import as_json, command
from stack.cost import bill, show
from stack.cost.usage import Usage
from stack.errors import OK
from stack.terminal import Terminal


def _assumptions(function: Callable[..., int]) -> Callable[..., int]:
    """Give the command an option for each field of Usage."""
    for item in reversed(fields(Usage)):
        option = click.option(
            f"--{item.name.replace('_', '-')}",
            type=click.FloatRange(min=0),
            default=item.default,
            metavar="NUMBER",
            help=f"{item.metadata['meaning']}  [default: {item.default:,.10g}]",
        )
        function = option(function)
    return function


@command("cost", "--env dev --requests 50000000 --tasks 2.5")
@_assumptions
@as_json
def _cost(cloud: Cloud, terminal: Terminal, as_json: bool, **assumed: Any) -> int:
    """Show what the environment costs a month on AWS, idle and with some use, line by line.

    Made from the files alone: nothing is asked of AWS. Prices and their date stand in stack/cost/prices.toml;
    what is used is assumed as the options say.
    """
    usage = Usage(**assumed)
    found = bill.of(cloud.environment, usage)
    if as_json:
        terminal.json(show.data(cloud.environment, found, usage))
    else:
        show.table(terminal, cloud.environment, found, usage)
    return OK
