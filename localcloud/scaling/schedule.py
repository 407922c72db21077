"""When scheduled actions are due: at(), rate() and cron() expressions on a clock that LOCAL_SPEED drives."""

from __future__ import annotations

import re
import time
import zoneinfo
from datetime import UTC, datetime
from typing import Any

from localcloud import emulator, speed
from localcloud.scaling.records import Record, ScalingError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

#: The process's start: its clock shows the real time then.
_started = time.time()


def now() -> float:
    """The time that schedules go by, in seconds since 1970: real when the process started, then faster."""
    return _started + (time.time() - _started) * speed.factor()


def check(action: Record) -> None:
    """Refuse a schedule, a time zone or bounds that AWS would refuse. Raises ScalingError."""
    text = str(action.get("Schedule") or "")
    try:
        zoneinfo.ZoneInfo(str(action.get("Timezone") or "UTC"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as exc:
        raise ScalingError("ValidationException", f"Unknown time zone: {action['Timezone']}") from exc
    if text.startswith("cron("):
        known = _cron(text) is not None
    elif at := _AT.fullmatch(text):
        known = _instant(at[1]) is not None
    else:
        rate = _RATE.fullmatch(text)
        known = rate is not None and int(rate[1]) > 0
    if not known:
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


def _cron(text: str) -> Any:
    try:
        return emulator.module("services.eventbridge")._parse_cron_fields(text)
    except (ValueError, KeyError):
        return None


def next_due(action: Record, after: float) -> float | None:
    """When the action is due the first time after `after`; None when it is never again.

    A recurring one with a StartTime is due at that time, then as its expression says, until its EndTime.
    """
    zone = zoneinfo.ZoneInfo(str(action.get("Timezone") or "UTC"))
    text = str(action["Schedule"])
    if at := _AT.fullmatch(text):
        once = datetime.fromisoformat(at[1]).replace(tzinfo=zone).timestamp()
        return once if once > after else None
    start, end = action.get("StartTime"), action.get("EndTime")
    if start is not None and start > after:
        due: float | None = start
    elif rate := _RATE.fullmatch(text):
        base = start if start is not None else action["_base"]
        period = int(rate[1]) * _UNITS[rate[2]]
        due = base + (max(0, (after - base) // period) + 1) * period
    else:
        due = _next_cron(text, after, zone)
    return None if due is None or (end is not None and due > end) else due


def _next_cron(text: str, after: float, zone: zoneinfo.ZoneInfo) -> float | None:
    fields = _cron(text)
    local = datetime.fromtimestamp(after, zone).replace(tzinfo=None)
    while True:
        found = emulator.module("services.eventbridge")._cron_next_fire(fields, local)
        if found is None:
            return None
        local = found.replace(tzinfo=None)
        due: float = local.replace(tzinfo=zone).timestamp()
        # Where clocks go back an hour comes twice; the action runs in the first.
        if due > after:
            return due


def last_due(action: Record, after: float, until: float) -> float | None:
    """The last time after `after` and up to `until` that the action is due; None when there is none."""
    found = None
    due = next_due(action, after)
    while due is not None and due <= until:
        found, due = due, next_due(action, due)
    return found
