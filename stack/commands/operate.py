"""Commands that make, change, delete and test an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from stack import create, delete
from stack.aws import changesets, endpoint
from stack.aws.clients import Cloud
from stack.commands.base import as_data, as_json, command, name, runtime
from stack.errors import usage
from stack.image import pin
from stack.outside import run as outside
from stack.review import approve, change
from stack.terminal import Terminal


@command("create", "--env local")
@runtime
@as_data
def _create(cloud: Cloud, terminal: Terminal, runtime: pin.Runtime) -> int:
    """Make every stack that is missing, push the image, print the URL and a token.

    Starts the endpoint first where the environment has one. What exists already is left alone (exit code 3
    when nothing was missing); a failed creation is deleted and made again.
    """
    return create.run(cloud, terminal, runtime)


@command("start", "--env local")
@as_data
def _start(cloud: Cloud, terminal: Terminal) -> int:
    """Start the environment's endpoint, with all it holds, where its file says; it may run already."""
    return endpoint.start(cloud, terminal)


@command("change", "--env local --name more-tasks --detail full")
@name
@runtime
@click.option(
    "--detail",
    type=click.Choice(["changes", "full"]),
    default="changes",
    show_default=True,
    help="full: all properties of what changes, in their whole length.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown"]),
    default="table",
    show_default=True,
    help="markdown: for a comment on a pull request.",
)
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the Markdown is written too.",
)
@as_json
def _change(
    cloud: Cloud,
    terminal: Terminal,
    name: str | None,
    runtime: pin.Runtime,
    detail: str,
    form: Literal["table", "markdown"],
    file: Path | None,
    as_json: bool,
) -> int:
    """Make a change set for each stack that differs from the files, and show what it would do."""
    if as_json and form == "markdown":
        raise usage("JSON and Markdown cannot both be printed.", "Leave out --json or --format markdown.")
    wanted = change.Form("json" if as_json else form, detail == "full", file)
    return change.run(cloud, terminal, changesets.check_name(name), runtime, wanted)


@command("approve", "--env local --name more-tasks --replace Table")
@name
@click.option("--replace", metavar="ID", multiple=True, help="Guarded resource that may go; repeatable.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal. The gate stays.")
@as_data
def _approve(cloud: Cloud, terminal: Terminal, name: str | None, replace: tuple[str, ...], yes: bool) -> int:
    """Execute the change that was reviewed, with progress.

    Refuses what is stale, and what removes or replaces data or public addresses unless named with --replace.
    On a terminal it asks once; without one, this command is the approval.
    """
    named = [word.strip() for item in replace for word in item.split(",") if word.strip()]
    return approve.run(cloud, terminal, changesets.check_name(name), named, yes)


@command("reject", "--env local --name more-tasks")
@name
@as_data
def _reject(cloud: Cloud, terminal: Terminal, name: str | None) -> int:
    """Drop a change that was made but not approved."""
    return change.reject(cloud, terminal, changesets.check_name(name))


@command("delete", "--env local")
@click.option("--yes", is_flag=True, help="Do not ask for the environment's name.")
@as_data
def _delete(cloud: Cloud, terminal: Terminal, yes: bool) -> int:
    """Delete every stack of the environment, last first; say what is kept.

    Asks for the environment's name, except where the environment has an endpoint of its own. Nothing there is
    a success.
    """
    return delete.run(cloud, terminal, yes)


@command("test", "--env local")
@as_json
def _test(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Test the deployed service from outside, with a token made for it and revoked at the end."""
    return outside.run(cloud, terminal, as_json)
