"""The command that prints what a shell needs to complete commands."""

from __future__ import annotations

import click

from stack import completion
from stack.commands.base import example, tool
from stack.errors import OK
from stack.terminal import Terminal


@tool.command("completion", epilog=example("completion bash >> ~/.bashrc"))
@click.argument("shell", type=click.Choice([*completion.SHELLS, "words"]), metavar="bash|zsh|fish")
@click.argument("line", default="")
@click.pass_context
def _completion(ctx: click.Context, shell: str, line: str) -> int:
    """Print a script that completes `make` in this checkout, and the tool itself as a command `echo-room`."""
    terminal = Terminal()
    if shell == "words":
        # For the scripts: what the last word of a line can become.
        for word in completion.words(line, ctx.obj):
            terminal.raw(word)
    else:
        terminal.raw(completion.script(tool, shell, ctx.obj))  # type: ignore[arg-type]  # one of Click's choices
    return OK
