"""Commands about what runs now."""

from __future__ import annotations

from stack import tasks
from stack.clients import Cloud
from stack.commands.base import as_json, command
from stack.terminal import Terminal


@command("tasks", "--env local --json")
@as_json
def _tasks(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Show the tasks: where and how they run, and why others ended within the last hour."""
    return tasks.run(cloud, terminal, as_json)
