"""The command to begin with: says whether everything is there that an environment needs."""

from __future__ import annotations

from stack.aws.clients import Cloud
from stack.commands.base import as_json, command
from stack.terminal import Terminal


@command("doctor", "--env dev --json")
@as_json
def _doctor(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Look at what a first run needs: this machine, credentials, region, quotas, roles, domain, permissions.

    Each check says ok, problem, not known or not needed, what it saw and what to do next. Nothing is changed.
    Exit code 1 when there is a problem.
    """
    # Its libraries take longer to load than most commands take.
    from stack.doctor import run

    return run.run(cloud, terminal, as_json)
