"""API tokens of an environment, made, listed and revoked by the commands its file names."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stack.aws import command, stacks
from stack.aws.clients import Cloud
from stack.errors import ToolError, usage
from stack.files.environment import TokenCommands
from stack.terminal import Terminal

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
    said = _run(cloud, require(cloud).create, {"name": name}, "Making a token")
    try:
        made = json.loads(said)
        return Token(str(made["id"]), made.get("name", name), made["token"], made.get("expires_at"))
    except (ValueError, KeyError, TypeError, AttributeError):
        # What was said may hold the secret: it is not repeated.
        raise ToolError(
            "The [token] create command succeeded, but did not print JSON with an id and a token."
        ) from None


def listed(cloud: Cloud) -> list[dict[str, Any]]:
    """List the tokens as the [token] list command does, each with its `state` added.

    Objects with an `id`, and if known `name`, `created_at`, `expires_at`, `revoked_at` (ISO 8601),
    `rotated_to` and `last_used_on`; never a secret. Raises a usage ToolError where the environment has no
    such command, and a ToolError with its words.
    """
    line = require(cloud).listing
    if not line:
        raise _lacks(cloud, "list")
    said = _run(cloud, line, {}, "Listing the tokens")
    try:
        now = datetime.now(UTC)
        return [{"id": one["id"], "state": _state(one, now), **one} for one in json.loads(said)]
    except (ValueError, KeyError, TypeError):
        raise ToolError(
            "The [token] list command succeeded, but did not print a JSON list of objects with an id, and "
            "times as ISO 8601 with a zone."
        ) from None


def _state(token: Mapping[str, Any], now: datetime) -> str:
    """Say what a listed token is good for: valid, rotated (valid for a while yet), expired or revoked."""
    if token.get("revoked_at"):
        return "revoked"
    expires = token.get("expires_at")
    if expires and datetime.fromisoformat(expires) <= now:
        return "expired"
    return "rotated" if token.get("rotated_to") else "valid"


def can_revoke(cloud: Cloud) -> bool:
    """Say whether the environment has a command that revokes tokens."""
    commands = cloud.environment.token
    return commands is not None and bool(commands.revoke)


def revoke(cloud: Cloud, token_id: str) -> None:
    """Revoke a token by its id. Raises a usage ToolError where there is no command for it."""
    line = require(cloud).revoke
    if not line:
        raise _lacks(cloud, "revoke")
    _run(cloud, line, {"id": token_id}, f"Revoking the token {token_id}")


@contextmanager
def own_token(cloud: Cloud, terminal: Terminal, purpose: str) -> Iterator[Token]:
    """Make a token for what is inside, and revoke it afterwards. Raises a ToolError where none can be made.

    One that stays because it cannot be revoked is named in a notice.
    """
    token = create(cloud, f"{purpose}-{secrets.token_hex(4)}")
    try:
        yield token
    finally:
        if not can_revoke(cloud):
            terminal.notice(f"the token {token.name} stays: {cloud.environment.file} has no [token] revoke.")
        else:
            try:
                revoke(cloud, token.id)
            except ToolError as error:
                terminal.notice(f"the token {token.name} could not be revoked: {error.message}")


def _lacks(cloud: Cloud, key: str) -> ToolError:
    return usage(
        f"{cloud.environment.file} has no [token] {key} command.",
        "Copy the one of cloudformation/environments/local.toml.",
    )


def _run(cloud: Cloud, line: tuple[str, ...], words: Mapping[str, str], what: str) -> str:
    environment = cloud.environment
    if environment.token is None:
        raise ToolError(f"{environment.file} has no [token] table.")
    there = stacks.look_all(cloud)
    known = {
        name: stack.outputs for name, stack in there.items() if stack and stack.status in stacks.COMPLETE
    }

    def output(match: re.Match[str]) -> str:
        try:
            return known[match[1]][match[2]]
        except KeyError:
            raise ToolError(
                f"{what} needs the output {match[2]} of {environment.stack_name(match[1])}; it is not there.",
                f"Create the environment first: make create ENV={environment.name}",
            ) from None

    variables = {key: _OUTPUT.sub(output, value) for key, value in environment.token.environment.items()}
    return command.run(cloud, line, what, words=words, variables={**cloud.process_environment(), **variables})
