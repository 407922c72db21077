"""The command line: options, help, and what becomes of every error. The work is done elsewhere."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stack import (
    access,
    approve,
    change,
    changesets,
    create,
    delete,
    endpoint,
    environment,
    look,
    probe,
    stacks,
)
from stack.clients import Cloud
from stack.errors import FAILED, INTERRUPTED, OK, ToolError, explain, usage
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
            terminal.error(error.message, error.hint)
            ctx.exit(error.code)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            found = explain(error, ctx.meta.get("where", "AWS"))
            terminal.error(found.message, found.hint)
            ctx.exit(found.code)
        except click.Abort:
            terminal.say("Nothing was done.")
            ctx.exit(INTERRUPTED)
        except KeyboardInterrupt:
            terminal.error("Interrupted.", "What CloudFormation was doing goes on; see it with: make status")
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(FAILED)


@click.group(cls=_Tool, epilog=_EXITS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(__file__).resolve().parent.parent,
    help="Folder with cloudformation/, docker/ and app/.",
    show_default="this checkout",
)
@click.pass_context
def tool(ctx: click.Context, project: Path) -> None:
    """Create, review, change, watch, test and delete environments.

    Output goes to standard output, progress and notices to standard error. NO_COLOR turns colour off.
    """
    ctx.obj = project.resolve()


def _example(words: str) -> str:
    # A backspace alone on a line tells click to leave the paragraph as it is.
    return f"\b\nExample:\n  python -m stack {words}"


def _command(name: str, example: str) -> Callable[[Callable[..., int]], click.Command]:
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
            ctx.meta["where"] = cloud.where
            return function(cloud, Terminal(), **options)

        option = click.option("--env", metavar="ENV", help="A file of cloudformation/environments/.")
        return tool.command(name, epilog=_example(f"{name} {example}"))(option(wrapped))

    return decorate


_name = click.option("--name", metavar="NAME", help="Name of the change: letters, digits, hyphens.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_runtime = click.option(
    "--runtime",
    type=click.Choice(get_args(pin.Runtime)),
    default="auto",
    show_default=True,
    help="Kind of image; auto: a container where a Docker engine works, else processes if allowed.",
)


@_command("create", "--env local")
@_runtime
def _create(cloud: Cloud, terminal: Terminal, runtime: pin.Runtime) -> int:
    """Make every stack that is missing, push the image, print the URL and a token.

    Starts the endpoint first where the environment has one. What exists already is left alone (exit code 3
    when nothing was missing); a failed creation is deleted and made again.
    """
    return create.run(cloud, terminal, runtime)


@_command("change", "--env local --name more-tasks")
@_name
@_runtime
@_json
def _change(cloud: Cloud, terminal: Terminal, name: str | None, runtime: pin.Runtime, as_json: bool) -> int:
    """Make a change set for each stack that differs from the files, and show what it would do."""
    return change.run(cloud, terminal, changesets.check_name(name), runtime, as_json)


@_command("approve", "--env local --name more-tasks --replace Table")
@_name
@click.option("--replace", metavar="ID", multiple=True, help="Guarded resource that may go; repeatable.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal. The gate stays.")
def _approve(cloud: Cloud, terminal: Terminal, name: str | None, replace: tuple[str, ...], yes: bool) -> int:
    """Execute the change that was reviewed, with progress.

    Refuses what is stale, and what removes or replaces data or public addresses unless named with --replace.
    On a terminal it asks once; without one, this command is the approval.
    """
    named = [word.strip() for item in replace for word in item.split(",") if word.strip()]
    return approve.run(cloud, terminal, changesets.check_name(name), named, yes)


@_command("reject", "--env local --name more-tasks")
@_name
def _reject(cloud: Cloud, terminal: Terminal, name: str | None) -> int:
    """Drop a change that was made but not approved."""
    return change.reject(cloud, terminal, changesets.check_name(name))


@_command("delete", "--env local")
@click.option("--yes", is_flag=True, help="Do not ask for the environment's name.")
def _delete(cloud: Cloud, terminal: Terminal, yes: bool) -> int:
    """Delete every stack of the environment, last first; say what is kept.

    Asks for the environment's name, except where the environment has an endpoint of its own. Nothing there is
    a success.
    """
    return delete.run(cloud, terminal, yes)


@_command("test", "--env local")
@_json
def _test(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Test the deployed service from outside, with a token made for it and revoked at the end."""
    return probe.run(cloud, terminal, as_json)


@_command("token", "--env local --name laptop")
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


@tool.command("image", epilog=_example("image"))
@click.option(
    "--base-image",
    metavar="IMAGE",
    help="Whose files are taken, instead of the Dockerfile's; debian: of Debian's packages.",
)
@click.option(
    "--arch", type=click.Choice(["amd64", "arm64"]), help="Processor to build for, instead of this one."
)
@click.pass_context
def _image(ctx: click.Context, base_image: str | None, arch: str | None) -> int:
    """Build the working tree's container image in the local Docker engine; needs no environment.

    An image for another processor needs no emulation.
    """
    if base_image:
        os.environ["BASE_IMAGE"] = base_image
    terminal = Terminal()
    terminal.result(pin.build_here(ctx.obj, arch, terminal))
    return OK


@_command("push", "--env local")
@_runtime
def _push(cloud: Cloud, terminal: Terminal, runtime: pin.Runtime) -> int:
    """Build the working tree's image and push it to the environment's repository, unless it is there."""
    pin.check_builds(cloud.environment, "There is nothing to push")
    endpoint.present(cloud, terminal)
    terminal.result(pin.ensure(cloud, stacks.outputs(cloud), runtime, terminal))
    return OK


@tool.command("scan", epilog=_example("scan --offline"))
@click.option("--image", default="", metavar="IMAGE", help="A local image, instead of the working tree's.")
@click.option("--offline", is_flag=True, help="Leave out, by name, what needs the network.")
@_json
@click.pass_context
def _scan(ctx: click.Context, image: str, offline: bool, as_json: bool) -> int:
    """Judge the templates by policies, look for known vulnerabilities, and for secrets in the image.

    Needs no environment. Exit code 0 when every check passed; 1 when one failed or could not be done. What
    was looked at and accepted stands in stack/scan/accepted.toml, for templates beside their resources.
    """
    from stack.scan import run
    from stack.scan.result import Target

    return run.run(Target(ctx.obj, image, Terminal()), offline, as_json)


@_command("status", "--env local --json")
@_json
def _status(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show each stack's state; exit code 1 unless all are complete."""
    return look.status(cloud, terminal, as_json)


@_command("outputs", "--env local --json")
@_json
def _outputs(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show the stacks' outputs as stack.Output=value."""
    return look.outputs(cloud, terminal, as_json)


@_command("events", "--env local --stack service --limit 20")
@click.option("--stack", "stack_name", help="Only this stack's.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@_json
def _events(cloud: Cloud, terminal: Terminal, stack_name: str | None, limit: int, as_json: bool) -> int:
    """Show the stacks' last events, oldest first."""
    return look.events(cloud, terminal, stack_name, limit, as_json)


@_command("last-create-failure", "--env local")
@_json
def _last_create_failure(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Say why the last create failed: the first cause, then what ECS, the balancer and the log said."""
    return look.last_failure(cloud, terminal, "create", as_json)


@_command("last-update-failure", "--env local")
@_json
def _last_update_failure(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Say why the last update failed: the first cause, then what ECS, the balancer and the log said."""
    return look.last_failure(cloud, terminal, "update", as_json)
