"""What commands share: the group, how errors end, an environment's options. The work is done elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

import click
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stack.aws.clients import Cloud
from stack.errors import FAILED, INTERRUPTED, OK, ToolError, explain, usage
from stack.files import environment
from stack.image import pin
from stack.terminal import Terminal

_EXITS = """
\b
Exit codes:
  0    done
  1    the operation failed; the message says why
  2    wrong use: an option, a name, the environment file
  3    nothing was done: it exists already, is stale, or was refused
  130  interrupted; what CloudFormation was doing goes on
"""


class _Tool(click.Group):
    """The group of commands; turns every error into one clear message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        terminal = Terminal()
        try:
            ctx.exit(super().invoke(ctx) or OK)
        except ToolError as error:
            _say(ctx, terminal, error)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            _say(ctx, terminal, explain(error, ctx.meta.get("where", "AWS")))
        except click.Abort:
            terminal.say("Nothing was done.")
            ctx.exit(INTERRUPTED)
        except KeyboardInterrupt:
            env = ctx.meta.get("env", "")
            terminal.error(
                "Interrupted.", f"What CloudFormation was doing goes on; see it with: make status ENV={env}"
            )
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(FAILED)


def _say(ctx: click.Context, terminal: Terminal, error: ToolError) -> NoReturn:
    """End the command with an error."""
    terminal.error(error.message, error.hint)
    if error.doctor and (env := ctx.meta.get("env")):
        terminal.say(f"  What else may be missing: make doctor ENV={env}")
    ctx.exit(error.code)


@click.group(cls=_Tool, epilog=_EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(__file__).resolve().parents[2],
    help="Folder with cloudformation/, docker/ and app/.",
    show_default="this checkout",
)
@click.pass_context
def tool(ctx: click.Context, project: Path) -> None:
    """Create, review, change, watch, test and delete environments.

    Output goes to standard output, progress and notices to standard error. NO_COLOR turns colour off.
    """
    ctx.obj = project.resolve()


def example(words: str) -> str:
    """Make the end of a command's help."""
    # A backspace alone on a line tells click to leave the paragraph as it is.
    return f"\b\nExample:\n  python -m stack {words}"


def command(name: str, words: str) -> Callable[[Callable[..., int]], click.Command]:
    """Declare a command of one environment: it gets the Cloud and the Terminal, then its own options."""

    def decorate(function: Callable[..., int]) -> click.Command:
        @functools.wraps(function)
        @click.pass_context
        def wrapped(ctx: click.Context, /, env: str | None, **options: Any) -> int:
            root: Path = ctx.obj
            if not env:
                known = ", ".join(environment.available(root)) or "none"
                raise usage("No environment is given.", f"Give one with ENV= (or --env): {known}")
            cloud = Cloud(environment.load(root, env))
            ctx.meta["env"], ctx.meta["where"] = env, cloud.where
            return function(cloud, Terminal(as_json=options.pop("as_data", False)), **options)

        option = click.option(
            "--env",
            metavar="ENV",
            help="A file of cloudformation/environments/.",
            shell_complete=lambda ctx, _, word: [
                one
                for one in environment.available(ctx.find_root().params["project"])
                if one.startswith(word)
            ],
        )
        return tool.command(name, epilog=example(f"{name} {words}"))(option(wrapped))

    return decorate


name = click.option("--name", metavar="NAME", help="Name of the change: letters, digits, hyphens.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
# For commands that do something: what they say goes to standard error, and the result is data.
as_data = click.option("--json", "as_data", is_flag=True, help="Print the result as JSON, and ask nothing.")
plot_python = click.option(
    "--plot-python",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PYTHON",
    default=Path(__file__).resolve().parents[2] / ".venv-plot" / "bin" / "python",
    show_default=".venv-plot/bin/python of this checkout",
    help="A Python that has matplotlib; make brings one.",
)
runtime = click.option(
    "--runtime",
    type=click.Choice(get_args(pin.Runtime)),
    default="auto",
    show_default=True,
    help="Kind of image; auto: a container where a Docker engine works, else processes if allowed.",
)
