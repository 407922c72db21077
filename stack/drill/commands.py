"""Commands of the environment file by which drills break what only the environment itself can ([drills])."""

from __future__ import annotations

import subprocess
import sys

from stack.aws.clients import Cloud
from stack.errors import ToolError

_SECONDS = 60


def run(cloud: Cloud, name: str, **words: str) -> bool:
    """Run the command called `name` with its words filled in; False where the environment has none."""
    drills = cloud.environment.drills
    command = drills.commands.get(name, ())
    if not command:
        return False
    known = {"python": sys.executable, "url": cloud.url, **words}
    line = []
    for part in command:
        for word, value in known.items():
            part = part.replace(f"{{{word}}}", value)
        line.append(part)
    done = subprocess.run(
        line,
        cwd=cloud.environment.root,
        env=cloud.process_environment(),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise ToolError(
            f"[drills] {name} of {cloud.environment.file} failed: "
            f"{done.stderr.strip() or f'exit code {done.returncode}'}"
        )
    return True
