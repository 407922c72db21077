"""Commands that show what CloudFormation knows: state, outputs, events, verdicts."""

from __future__ import annotations

from pathlib import Path

import click

from stack.aws.clients import Cloud
from stack.commands.base import as_data, as_json, command, plot_python
from stack.errors import usage
from stack.now import dashboard, look, status
from stack.terminal import Terminal


@command("status", "--env local --json")
@as_json
def _status(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show the state of stacks, tasks, deployment, image and alarms; exit code 1 unless all is complete."""
    return status.run(cloud, terminal, as_json)


@command("outputs", "--env local --json")
@as_json
def _outputs(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show the stacks' outputs as stack.Output=value."""
    return look.outputs(cloud, terminal, as_json)


@command("dashboard", "--env prod")
@click.option(
    "--png", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw it into this file."
)
@click.option(
    "--minutes", type=click.IntRange(1), help="Draw the last so many minutes. Default: the dashboard's."
)
@plot_python
@as_data
def _dashboard(
    cloud: Cloud, terminal: Terminal, png: Path | None, minutes: int | None, plot_python: Path
) -> int:
    """Show where the environment's dashboard is in the AWS console, or draw it from the same metrics."""
    if minutes and not png:
        raise usage(
            "Minutes are for a picture; the console shows its own.", "Give a file, too: PNG= (or --png)."
        )
    if png:
        return dashboard.draw(cloud, terminal, png, plot_python, minutes)
    return dashboard.run(cloud, terminal)


@command("events", "--env local --stack service --limit 20")
@click.option("--stack", "stack_name", help="Only this stack's.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@as_json
def _events(cloud: Cloud, terminal: Terminal, stack_name: str | None, limit: int, as_json: bool) -> int:
    """Show the stacks' last events, oldest first."""
    return look.events(cloud, terminal, stack_name, limit, as_json)


@command("last-create-failure", "--env local")
@as_json
def _last_create_failure(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Say why the last create failed: the first cause, then what ECS, the balancer and the log said."""
    return look.last_failure(cloud, terminal, "create", as_json)


@command("last-update-failure", "--env local")
@as_json
def _last_update_failure(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Say why the last update failed: the first cause, then what ECS, the balancer and the log said."""
    return look.last_failure(cloud, terminal, "update", as_json)
