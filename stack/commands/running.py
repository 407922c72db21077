"""Commands on what runs: an operation that somebody began, and the image that was deployed."""

from __future__ import annotations

import click

from stack.aws.clients import Cloud
from stack.commands.base import as_data, as_json, command, name
from stack.now import releases
from stack.review import change
from stack.running import watch
from stack.terminal import Terminal


@command("watch", "--env local")
@as_json
def _watch(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Follow what runs on the environment's stacks, wherever it was started, with the verdict at its end.

    Ctrl-C ends the watching and not the operation. Exit code 1 when the operation failed.
    """
    return watch.run(cloud, terminal, as_json)


@command("cancel", "--env local")
@as_data
def _cancel(cloud: Cloud, terminal: Terminal) -> int:
    """Cancel the update that runs, and wait until the stack is as it was before.

    A creation or deletion cannot be cancelled; exit code 3 then, with what can be done instead.
    """
    return watch.cancel(cloud, terminal)


@command("releases", "--env local")
@as_json
def _releases(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show the images of the environment's repository, newest first, and which one runs."""
    return releases.show(cloud, terminal, as_json)


@command("rollback", "--env local --to 1f0c4d5e6a7b")
@click.option("--to", metavar="IMAGE", help="Tag, or beginning of a digest; else what was deployed before.")
@name
@as_json
def _rollback(cloud: Cloud, terminal: Terminal, to: str | None, name: str | None, as_json: bool) -> int:
    """Make a change back to an earlier image, to be reviewed and approved as any other."""
    form = change.Form("json" if as_json else "table")
    return releases.rollback(cloud, terminal, to, name, form)
