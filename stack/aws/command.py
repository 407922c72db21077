"""A command that the environment file names, for what no AWS API does: filled in and run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.files.keys import PLACEHOLDER


def run(
    cloud: Cloud,
    command: Sequence[str],
    what: str,
    *,
    words: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> str:
    """Run a command in the checkout, and return what it prints. Raises a ToolError that begins with `what`.

    {python}, {url} and the `words` are filled in. `variables` are all that the process gets; without them it
    gets this one's.
    """
    known = {"python": sys.executable, "url": cloud.url, **(words or {})}
    # In one pass: a word that holds a placeholder itself, such as a token's name, is left as it is.
    line = [PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), part) for part in command]
    # With other variables it does something else when it is run by hand.
    hint = "" if variables else f"Try it by hand: {shlex.join(line)}"
    try:
        done = subprocess.run(
            line,
            cwd=cloud.environment.root,
            env=variables,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{what} failed: {error}", hint) from error
    if done.returncode != 0:
        # Standard output is not repeated: it may hold the token that was asked for.
        raise ToolError(f"{what} failed: {done.stderr.strip() or f'exit code {done.returncode}'}", hint)
    return done.stdout
