"""Commands on an operation that runs already."""

from __future__ import annotations

from stack import watch
from stack.clients import Cloud
from stack.commands.base import as_json, command
from stack.terminal import Terminal


@command("watch", "--env local")
@as_json
def _watch(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Follow what runs on the environment's stacks, wherever it was started, with the verdict at its end.

    Ctrl-C ends the watching and not the operation. Exit code 1 when the operation failed.
    """
    return watch.run(cloud, terminal, as_json)


@command("cancel", "--env local")
def _cancel(cloud: Cloud, terminal: Terminal) -> int:
    """Cancel the update that runs, and wait until the stack is as it was before.

    A creation or deletion cannot be cancelled; exit code 3 then, with what can be done instead.
    """
    return watch.cancel(cloud, terminal)
