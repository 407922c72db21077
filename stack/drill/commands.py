"""Commands of the environment file by which drills break what only the environment itself can ([drills])."""

from __future__ import annotations

from stack.aws import command
from stack.aws.clients import Cloud


def run(cloud: Cloud, name: str, **words: str) -> bool:
    """Run the command called `name` with its words filled in; False where the environment has none."""
    environment = cloud.environment
    line = environment.drills.commands.get(name)
    if not line:
        return False
    what = f"[drills] {name} of {environment.file}"
    command.run(cloud, line, what, words=words, variables=cloud.process_environment())
    return True
