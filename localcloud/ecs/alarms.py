"""The CloudWatch alarms that end a deployment."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.ecs.records import Record


def begin(config: Record) -> list[str]:
    """The alarms to watch during a deployment that begins now.

    None of them when one is in ALARM already, as on AWS: the new deployment may be what mends it.
    """
    alarms = config.get("alarms") or {}
    names = [str(name) for name in alarms.get("alarmNames") or []] if alarms.get("enable") else []
    return [] if triggered(names) else names


def triggered(names: list[str]) -> list[str]:
    """Those of the alarms that are in ALARM; needs the request's account and region to be set."""
    return [name for name in names if _state(name) == "ALARM"]


def _state(name: str) -> str:
    cloudwatch: Any = emulator.module("services.cloudwatch")
    found = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name) or {}
    return str(found.get("StateValue", ""))
