"""Commands about API tokens."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from stack.aws import endpoint
from stack.aws.clients import Cloud
from stack.commands.base import as_data, as_json, command
from stack.errors import OK, usage
from stack.outside import access
from stack.terminal import Terminal


@command("token", "--env local --name laptop")
@click.option("--name", metavar="NAME", help="What the token is called.")
@as_data
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
    terminal.data(asdict(made))
    return OK


@command("tokens", "--env local --json")
@as_json
def _tokens(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """List the API tokens, without their secrets."""
    access.require(cloud)
    endpoint.require(cloud)
    found = access.listed(cloud)
    if as_json:
        terminal.json(found)
        return OK
    table = Table(pad_edge=False)
    for heading in ("Id", "State", "Name", "Created", "Expires", "Last used"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(
            one["id"],
            one["state"],
            one.get("name") or "",
            one.get("created_at") or "",
            one.get("expires_at") or "never",
            one.get("last_used_on") or "never",
            style="" if one["state"] in ("valid", "rotated") else "dim",
        )
    if found:
        terminal.table(table)
    else:
        name = cloud.environment.name
        terminal.say(f"{name} has no tokens. Make one: make token ENV={name} NAME=laptop")
    return OK


@command("revoke-token", "--env local --id 3f2a9c")
@click.option("--id", "token_id", metavar="ID", help="The token's id, which `tokens` shows.")
@as_data
def _revoke_token(cloud: Cloud, terminal: Terminal, token_id: str | None) -> int:
    """Revoke an API token; running tasks notice within a minute."""
    if not token_id:
        raise usage(
            "It is not said which token.",
            f"Give its id: ID= (or --id). They are listed by: make tokens ENV={cloud.environment.name}",
        )
    access.require(cloud)
    endpoint.present(cloud, terminal)
    access.revoke(cloud, token_id)
    terminal.say(f"The token {token_id} is revoked. Tasks notice within a minute.")
    terminal.data({"id": token_id, "state": "revoked"})
    return OK
