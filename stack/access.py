"""API tokens of an environment, made and revoked by the commands its file names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from stack import stacks
from stack.clients import Cloud
from stack.environment import TokenCommands
from stack.errors import ToolError, usage

_SECONDS = 60
_OUTPUT = re.compile(r"\{([^{}.]+)\.([^{}.]+)\}")


@dataclass(frozen=True)
class Token:
    """A token that was just made. `token` is the secret: shown once, never kept."""

    id: str
    name: str
    token: str
    expires_at: str | None


def require(cloud: Cloud) -> TokenCommands:
    """Return the environment's token commands; raise a usage ToolError where it has none."""
    commands = cloud.environment.token
    if commands is None:
        raise usage(
            f"{cloud.environment.file} has no [token] table, so no token can be made.",
            "Tokens are the echo service's; an environment without it has none.",
        )
    return commands


def create(cloud: Cloud, name: str) -> Token:
    """Make a token called `name`. Raises a ToolError with the command's own words."""
    commands = require(cloud)
    said = _run(cloud, commands.create, {"name": name}, "Making a token")
    try:
        made = json.loads(said)
        return Token(str(made["id"]), made.get("name", name), made["token"], made.get("expires_at"))
    except (ValueError, KeyError, TypeError, AttributeError):
        # What was said may hold the secret: it is not repeated.
        raise ToolError(
            "The [token] create command succeeded, but did not print JSON with an id and a token."
        ) from None


def revoke(cloud: Cloud, token: Token) -> bool:
    """Revoke a token; False where the environment has no command for it."""
    commands = cloud.environment.token
    if commands is None or not commands.revoke:
        return False
    _run(cloud, commands.revoke, {"id": token.id}, f"Revoking the token {token.name}")
    return True


def _run(cloud: Cloud, command: tuple[str, ...], words: Mapping[str, str], what: str) -> str:
    environment = cloud.environment
    if environment.token is None:
        raise ToolError(f"{environment.file} has no [token] table.")
    known = stacks.outputs(cloud)

    def output(match: re.Match[str]) -> str:
        try:
            return known[match[1]][match[2]]
        except KeyError:
            raise ToolError(
                f"{what} needs the output {match[2]} of {environment.stack_name(match[1])}; it is not there.",
                f"Create the environment first: make create ENV={environment.name}",
            ) from None

    extra = {key: _OUTPUT.sub(output, value) for key, value in environment.token.environment.items()}
    line = []
    for part in command:
        filled = part.replace("{python}", sys.executable)
        for key, value in words.items():
            filled = filled.replace(f"{{{key}}}", value)
        line.append(filled)
    try:
        done = subprocess.run(
            line,
            cwd=environment.root,
            env={**cloud.process_environment(), **extra},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{what} failed: {error}") from error
    if done.returncode != 0:
        raise ToolError(f"{what} failed: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
