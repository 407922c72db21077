"""Commands about what runs now."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from stack.aws.clients import Cloud
from stack.commands.base import as_json, command
from stack.now import drift, execute, logs, tasks
from stack.now.loglines import Line
from stack.terminal import Terminal


@command("tasks", "--env local --json")
@as_json
def _tasks(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show the tasks: where and how they run, and why others ended within the last hour."""
    return tasks.run(cloud, terminal, as_json)


@command("logs", "--env local --since 1h --filter '{ $.status >= 500 }'")
@click.option("--since", default="10m", show_default=True, help="30s, 10m, 2h, 1d, or a time.")
@click.option("--filter", "pattern", default="", metavar="PATTERN", help="CloudWatch's filter pattern.")
@click.option("--task", default="", metavar="ID", help="Only this task's; the beginning of its id is enough.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C (exit code 130).")
@click.option("--raw", is_flag=True, help="Print the lines as they were written.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def _logs(
    cloud: Cloud,
    terminal: Terminal,
    since: str,
    pattern: str,
    task: str,
    follow: bool,
    raw: bool,
    as_json: bool,
) -> int:
    """Show what the tasks wrote: time, task, level or status, message. Times are UTC."""

    def show(line: Line) -> None:
        if as_json:
            terminal.raw(line.as_json())
        elif raw:
            terminal.raw(line.text)
        else:
            terminal.result(*line.pretty())

    wanted = logs.Wanted(logs.since(since, datetime.now(UTC)), task, pattern)
    return logs.run(cloud, terminal, wanted, show, follow)


@command("drift", "--env local --json")
@as_json
def _drift(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show what is other than the templates say; exit code 1 if anything is that nobody meant to be."""
    return drift.run(cloud, terminal, as_json)


@command("exec", "--env dev --task 3f2a --command 'python3 -m app settings'")
@click.option("--task", default="", metavar="ID", help="In which; the beginning of its id. Else the first.")
@click.option(
    "--command",
    "words",
    default="",
    metavar="COMMAND",
    help="What to run, instead of `python3 -m app settings`; the service's image has no shell.",
)
def _exec(cloud: Cloud, terminal: Terminal, task: str, words: str) -> int:
    """Run a command in a task, by ECS Exec; needs ExecuteCommand on, and the session manager plugin here."""
    return execute.run(cloud, terminal, task, words)
