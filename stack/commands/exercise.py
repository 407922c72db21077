"""Commands that put an environment to the test by breaking it."""

from __future__ import annotations

from pathlib import Path

import click

from stack.aws.clients import Cloud
from stack.commands.base import as_json, command, plot_python
from stack.drill import run
from stack.drill.report import Report
from stack.terminal import Terminal


@command("drill", "--env local --only errors --only killed-task")
@click.option("--only", metavar="DRILL", multiple=True, help="Only this drill; repeatable. Default: all.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where drills.json, drills.md and drills.png are written.",
)
@plot_python
@as_json
def _drill(
    cloud: Cloud,
    terminal: Terminal,
    only: tuple[str, ...],
    report: Path | None,
    plot_python: Path,
    as_json: bool,
) -> int:
    """Break something on purpose, watch the alarm, the scaling or the rollback, and put it right.

    Only where the environment file allows it ([drills] allowed). Each drill says what it breaks and what it
    expects; exit code 1 when one did not see it. On AWS all of them take about two hours.
    """
    return run.run(cloud, terminal, only, Report(report, plot_python) if report else None, as_json)
