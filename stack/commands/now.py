"""Commands about what runs now: API tokens."""

from __future__ import annotations

import click

from stack import access, endpoint
from stack.clients import Cloud
from stack.commands.base import command
from stack.errors import OK, usage
from stack.terminal import Terminal


@command("token", "--env local --name laptop")
@click.option("--name", metavar="NAME", help="What the token is called.")
def _token(cloud: Cloud, terminal: Terminal, name: str | None) -> int:
    """Make an API token. It is shown this once."""
    if not name:
        raise usage("A token needs a name.", "Give it one: NAME=laptop (or --name laptop).")
    access.require(cloud)
    endpoint.present(cloud, terminal)
    made = access.create(cloud, name)
    terminal.result(f"export TOKEN={made.token}")
    until = f", until {made.expires_at}" if made.expires_at else ""
    terminal.say(f"{made.name} ({made.id}){until}. It is shown this once.")
    return OK
