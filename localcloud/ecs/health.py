"""Container health checks as ECS does them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger("localcloud.ecs")


class Executes(Protocol):
    """A running container."""

    async def execute(self, command: list[str], seconds: float) -> int:
        """Run a command in it; the exit code."""


def command_of(check: dict[str, Any]) -> list[str] | None:
    """The command of a health check, None when it says NONE."""
    words = [str(word) for word in check.get("command") or []]
    if not words or words[0] == "NONE":
        return None
    if words[0] == "CMD":
        return words[1:]
    if words[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", " ".join(words[1:])]
    return ["/bin/sh", "-c", " ".join(words)]


async def watch(container: Executes, check: dict[str, Any], report: Callable[[str], None]) -> None:
    """Check until cancelled, and `report` HEALTHY or UNHEALTHY when it changes.

    One success makes it healthy; `retries` failures in a row, those within `startPeriod` seconds not
    counted, unhealthy.
    The first check comes at once and not after an interval, so that a start is not slower than it has to be.
    """
    command = command_of(check)
    if command is None:
        return
    interval, timeout = float(check.get("interval") or 30), float(check.get("timeout") or 5)
    retries, grace = int(check.get("retries") or 3), float(check.get("startPeriod") or 0)
    began, failures, state = time.monotonic(), 0, "UNKNOWN"
    while True:
        try:
            passed = await container.execute(command, timeout) == 0
        except (TimeoutError, OSError):
            passed = False
        except Exception:
            # A check that cannot be made has not passed, and the next one may.
            log.exception("health check %s", command)
            passed = False
        if passed:
            failures = 0
            if state != "HEALTHY":
                state = "HEALTHY"
                report(state)
        elif state == "HEALTHY" or time.monotonic() - began >= grace:
            failures += 1
            if failures >= retries and state != "UNHEALTHY":
                state = "UNHEALTHY"
                report(state)
        # Until the first success it is asked more often: a start should not wait for an interval.
        eager = state == "UNKNOWN" and not passed and time.monotonic() - began < grace
        await asyncio.sleep(min(interval, 0.5) if eager else interval)
