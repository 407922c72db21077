"""Commands that get data back."""

from __future__ import annotations

import click

from stack.aws.clients import Cloud
from stack.commands.base import as_data, command
from stack.recover import run
from stack.terminal import Terminal


@command("restore", "--env local --to 2026-11-21T09:30:00Z")
@click.option("--to", metavar="TIME", help="As the table was then: ISO 8601, UTC unless it says; or latest.")
@click.option("--revoke", is_flag=True, help="End in the restored table what was revoked or disabled since.")
@as_data
def _restore(cloud: Cloud, terminal: Terminal, to: str | None, revoke: bool) -> int:
    """Restore the table into a new one beside it, compare the two, and say how to use it.

    The table in use is only read. Interrupted, the restore goes on at AWS; the same command goes on with it.
    """
    return run.run(cloud, terminal, to, revoke)
