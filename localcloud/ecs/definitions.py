"""A container definition made ready for one task: overrides, secrets and the log stream."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.ecs.records import Record, ecs


class StartError(Exception):
    """A task that cannot start; the message is its stopped reason."""


def overridden(definition: Record, task: Record) -> Record:
    """The definition with what RunTask overrides."""
    overrides = task["overrides"].get("containerOverrides") or []
    mine: Record = next((o for o in overrides if o.get("name") == definition["name"]), {})
    merged: Record = {**definition, **{k: mine[k] for k in ("command", "cpu", "memory") if k in mine}}
    environment: dict[str, Any] = {e["name"]: e for e in definition.get("environment") or []}
    environment.update({e["name"]: e for e in mine.get("environment") or []})
    merged["environment"] = list(environment.values())
    return merged


def secret_values(definition: Record) -> dict[str, str]:
    """Values from Secrets Manager and SSM by variable. Raises StartError."""
    try:
        found: dict[str, str] = ecs()._resolve_container_secrets(definition)
    except ecs()._SecretResolutionError as exc:
        raise StartError(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            "resource retrieval "
            f"failed: {exc}"
        ) from exc
    for secret in definition.get("secrets") or []:
        if secret.get("name") in found and "secretsmanager" not in secret["valueFrom"]:
            # MiniStack hands out what it stores, which for a SecureString is not the value.
            ssm = emulator.module("services.ssm")
            found[secret["name"]] = str(ssm.resolve_parameter_value(secret["valueFrom"], decrypt=True))
    return found


#: What a volume's definition has for space that lives no longer than its task.
_SCRATCH = frozenset({"name", "host"})


def check_volumes(definition: Record) -> None:
    """Refuse volumes that are more than the task's own scratch space. Raises StartError."""
    for volume in definition.get("volumes") or []:
        kinds = {key for key, value in volume.items() if value} - _SCRATCH
        if kinds or (volume.get("host") or {}).get("sourcePath"):
            raise StartError(
                f"ResourceInitializationError: volume {volume.get('name')} is not scratch space of the task, "
                f"and the local cloud has no other ({', '.join(sorted(kinds)) or 'host.sourcePath'})"
            )


def log_config(definition: Record, identity: str, account: str, region: str) -> Record | None:
    """Group and stream of the container's log, the stream made; None without a log. Raises StartError."""
    config: Record | None = ecs()._awslogs_config(definition, identity, identity)
    if config is None:
        return None
    responses = emulator.module("core.responses")
    with responses.request_scope(account, config.get("region") or region):
        if not ecs()._ensure_awslogs_stream(config):
            raise StartError(
                "ResourceInitializationError: failed to validate logger args: create stream has "
                "been retried 1 "
                "times: failed to create Cloudwatch log stream: ResourceNotFoundException: The "
                "specified log "
                f"group does not exist: {config['group']}"
            )
    return config
