"""rate() and cron() expressions, and the clock that they go by, which LOCAL_SPEED drives."""

from __future__ import annotations

import re
import time
import zoneinfo
from datetime import UTC, datetime, tzinfo
from typing import Any

from localcloud import emulator, speed

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

#: The process's start: its clock shows the real time then.
_started = time.time()


def now() -> float:
    """The time that schedules go by, in seconds since 1970: real when the process started, then faster."""
    return _started + (time.time() - _started) * speed.factor()


def zone(name: Any) -> zoneinfo.ZoneInfo | None:
    """The time zone of a name, UTC for none; None where there is no such zone."""
    try:
        return zoneinfo.ZoneInfo(str(name or "UTC"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return None


def is_known(text: str) -> bool:
    """Whether an expression can be followed."""
    if text.startswith("cron("):
        return _cron(text) is not None
    rate = _RATE.fullmatch(text)
    return rate is not None and int(rate[1]) > 0


def next_due(text: str, after: float, base: float, where: tzinfo = UTC) -> float | None:
    """When an expression is due the first time after `after`, in seconds since 1970; None: never again.

    A rate counts from `base`; a cron expression is read in the time zone `where`.
    """
    rate = _RATE.fullmatch(text)
    if rate:
        period = int(rate[1]) * _UNITS[rate[2]]
        return base + (max(0, (after - base) // period) + 1) * period
    return _next_cron(text, after, where)


def _cron(text: str) -> Any:
    try:
        return emulator.module("services.eventbridge")._parse_cron_fields(text)
    except (ValueError, KeyError):
        return None


def _next_cron(text: str, after: float, where: tzinfo) -> float | None:
    fields = _cron(text)
    local = datetime.fromtimestamp(after, where).replace(tzinfo=None)
    while True:
        found = emulator.module("services.eventbridge")._cron_next_fire(fields, local)
        if found is None:
            return None
        local = found.replace(tzinfo=None)
        due: float = local.replace(tzinfo=where).timestamp()
        # Where clocks go back an hour comes twice; the action runs in the first.
        if due > after:
            return due
