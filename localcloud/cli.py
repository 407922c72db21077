"""The commands of `python -m localcloud`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from localcloud import background
from localcloud.emulator import EmulatorError
from localcloud.endpoint import (
    DEFAULT_URL,
    Endpoint,
    EndpointError,
    identity,
    inventory,
    outage,
)
from localcloud.speed import SpeedError
from localcloud.state import DEFAULT_DIR, StateDir, StateError


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """The two options every command has, and one clear line for what users can mend."""

    @click.option("--endpoint", envvar="LOCALCLOUD_ENDPOINT",
                  help="Where the AWS API listens: a port of this machine's loopback.  "
                       f"[default: where this state directory's listened, else {DEFAULT_URL}]")  # fmt: skip
    @click.option("--state-dir", default=str(DEFAULT_DIR), show_default=True, envvar="LOCALCLOUD_STATE_DIR",
                  type=click.Path(file_okay=False, path_type=Path), help="Where it keeps all.")  # fmt: skip
    @wraps(command)
    def run(endpoint: str | None, state_dir: Path, **options: Any) -> None:
        try:
            state = StateDir.at(state_dir)
            url = endpoint or state.read_meta().get("endpoint") or DEFAULT_URL
            command(endpoint=Endpoint.parse(url), state=state, **options)
        except (
            EndpointError, StateError, EmulatorError, SpeedError, background.CannotStartError, OSError,
        ) as exc:  # fmt: skip
            raise click.ClickException(str(exc)) from exc
        except KeyboardInterrupt as exc:
            raise click.Abort from exc

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The embedded cloud for ENV=local: an AWS API on loopback whose stacks and tasks really run."""


@main.command()
@_options
def up(endpoint: Endpoint, state: StateDir) -> None:
    """Start the local cloud in the background, unless it runs already."""
    answers, started = background.up(state, endpoint)
    verb = "started" if started else "already running"
    click.echo(
        f"Local cloud {verb} on {answers['endpoint']} (process {answers['pid']}, log {answers['log']})"
    )
    click.echo(f"Its HTTPS listeners are vouched for by {answers['authority']}")


@main.command()
@_options
def down(endpoint: Endpoint, state: StateDir) -> None:
    """Stop it and everything it runs; the state stays, and `up` brings it all back."""
    pid = background.down(state)
    click.echo("Local cloud was not running" if pid is None else f"Local cloud stopped (process {pid})")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@_options
def status(endpoint: Endpoint, state: StateDir, as_json: bool) -> None:
    """Say what is running: listeners, services, tasks, target groups, alarms; exit code 3 when it is not."""
    pid = state.running_pid()
    answers = identity(endpoint) or {}
    mine = answers.get("state_dir") == str(state.path)
    report = {
        "running": pid is not None,
        "ready": mine,
        "pid": pid,
        "endpoint": endpoint.url,
        "state_dir": str(state.path),
        "log": str(state.log),
        "authority": str(state.authority),
        "failure": answers.get("failure") if mine else None,
        **(inventory(endpoint) if mine else {}),
    }
    if as_json:
        click.echo(json.dumps(report))
    elif pid is None:
        click.echo(f"Local cloud is not running (state in {state.path}). Start it: python -m localcloud up")
    elif not mine:
        click.echo(f"Local cloud runs (process {pid}) but does not answer on {endpoint.url}; see {state.log}")
    else:
        click.echo(
            f"Local cloud runs on {endpoint.url} (process {pid}, state in {state.path}, log {state.log})"
        )
        click.echo(f"Its HTTPS listeners are vouched for by {state.authority}")
        if report["failure"]:
            click.echo(f"But {report['failure']}", err=True)
        from localcloud.inventory import lines

        for line in lines(report):
            click.echo(line)
    if not mine:
        sys.exit(3)


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come.")
@click.option("--lines", "-n", default=50, show_default=True, type=click.IntRange(min=1), help="How many.")
@_options
def logs(endpoint: Endpoint, state: StateDir, follow: bool, lines: int) -> None:
    """Print the end of the background process's log."""
    if not state.log.exists():
        raise click.ClickException(f"there is no log yet ({state.log}). Start it: python -m localcloud up")
    command = ["tail", "-n", str(lines), *(["-f"] if follow else []), str(state.log)]
    sys.exit(subprocess.run(command, check=False).returncode)


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Go on as messages come.")
@click.option("--json", "as_json", is_flag=True, help="For scripts; with --follow, an object a line.")
@_options
def alerts(endpoint: Endpoint, state: StateDir, follow: bool, as_json: bool) -> None:
    """List what SNS topics delivered, to whom, and what not and why."""
    from localcloud.alerts import listing

    listing.show(state.emulator / "alerts.json", follow, as_json)


def _fail(endpoint: Endpoint, kind: str, seconds: float, name: str | None = None) -> None:
    """Let something fail for a while, and say what became of it; `kind` is what it is to users."""
    if identity(endpoint) is None:
        raise click.ClickException(f"nothing answers at {endpoint.url}. Start it: python -m localcloud up")
    what = f"{kind} {name}" if name else kind
    try:
        tasks = outage(endpoint, seconds, {kind.lower(): name} if name else {})
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint=kind.upper()) from exc
    if not seconds:
        click.echo(f"{what} is back")
        return
    killed = f"; tasks killed: {len(tasks)}" if name else ""
    click.echo(f"{what} is out for {seconds:g} s{killed}")
    for arn in tasks:
        click.echo(f"  {arn.rpartition('/')[2]}")


def _seconds(help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(min=0),
                        help=f"{help_text}; 0 ends an outage.")  # fmt: skip


@main.command("zone-outage")
@click.argument("zone")
@_seconds("How long no task starts there")
@_options
def zone_outage(endpoint: Endpoint, state: StateDir, zone: str, seconds: float) -> None:
    """Let a zone fail: its tasks are killed at once, and none starts there for a while."""
    _fail(endpoint, "Zone", seconds, zone)


@main.command("region-outage")
@click.argument("region")
@_seconds("How long nothing of it answers")
@_options
def region_outage(endpoint: Endpoint, state: StateDir, region: str, seconds: float) -> None:
    """Let a region fail: its tasks are killed at once, and for a while nothing of it answers.

    Its load balancers refuse connections, its API answers 503, and its replicas of tables neither hear nor
    are heard. Route 53 and its health checkers are everywhere, and go on. Returns at once.
    """
    _fail(endpoint, "Region", seconds, region)


@main.command("dynamodb-outage")
@_seconds("How long it answers nothing but 500")
@_options
def dynamodb_outage(endpoint: Endpoint, state: StateDir, seconds: float) -> None:
    """Let DynamoDB fail: every request is answered 500 for a while."""
    _fail(endpoint, "DynamoDB", seconds)


@main.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_options
def reset(endpoint: Endpoint, state: StateDir, yes: bool) -> None:
    """Stop it and delete everything it keeps: stacks, tables, images, logs."""
    if not state.path.exists():
        click.echo(f"Nothing to delete: {state.path} does not exist")
        return
    if not state.meta.exists() and any(state.path.iterdir()):
        raise click.ClickException(
            f"{state.path} is not a state directory (no {state.meta.name}); not deleting it."
        )
    if not yes:
        click.confirm(
            f"Delete the local cloud in {state.path}, with every stack, table and image?", abort=True
        )
    background.down(state)
    state.delete()
    click.echo(f"Deleted {state.path}")


@main.command()
@_options
def serve(endpoint: Endpoint, state: StateDir) -> None:
    """Run in the foreground until Ctrl-C (what `up` starts in the background)."""
    from localcloud import server

    server.serve(state, endpoint)
