"""When scheduled actions are due: at(), rate() and cron() with a start, an end and a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from localcloud import recurring
from localcloud.recurring import now
from localcloud.scaling.records import Record, ScalingError

__all__ = ["check", "instant", "last_due", "next_due", "now"]

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


def check(action: Record) -> None:
    """Refuse a schedule, a time zone or bounds that AWS would refuse. Raises ScalingError."""
    text = str(action.get("Schedule") or "")
    if recurring.zone(action.get("Timezone")) is None:
        raise ScalingError("ValidationException", f"Unknown time zone: {action['Timezone']}")
    at = _AT.fullmatch(text)
    if not (_instant(at[1]) if at else recurring.is_known(text)):
        raise ScalingError("ValidationException", f"Unrecognized schedule expression: {text}")
    bounds = action.get("ScalableTargetAction") or {}
    if bounds.get("MinCapacity") is None and bounds.get("MaxCapacity") is None:
        raise ScalingError(
            "ValidationException", "ScalableTargetAction needs MinCapacity, MaxCapacity or both"
        )


def instant(value: Any) -> float:
    """A time of a request, as seconds since 1970: a number, or text in ISO 8601, UTC unless it says else.

    Raises ScalingError for anything else.
    """
    if isinstance(value, int | float):
        return float(value)
    found = _instant(str(value))
    if found is None:
        raise ScalingError("ValidationException", f"Not a time: {value}")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def next_due(action: Record, after: float) -> float | None:
    """When the action is due the first time after `after`; None when it is never again.

    A recurring one with a StartTime is due at that time, then as its expression says, until its EndTime.
    """
    zone = recurring.zone(action.get("Timezone")) or UTC
    text = str(action["Schedule"])
    if at := _AT.fullmatch(text):
        once = datetime.fromisoformat(at[1]).replace(tzinfo=zone).timestamp()
        return once if once > after else None
    start, end = action.get("StartTime"), action.get("EndTime")
    if start is not None and start > after:
        due: float | None = start
    else:
        base = start if start is not None else action.get("_base", after)
        due = recurring.next_due(text, after, base, zone)
    return None if due is None or (end is not None and due > end) else due


def last_due(action: Record, after: float, until: float) -> float | None:
    """The last time after `after` and up to `until` that the action is due; None when there is none."""
    found = None
    due = next_due(action, after)
    while due is not None and due <= until:
        found, due = due, next_due(action, due)
    return found
