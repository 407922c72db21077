"""Scheduled rules: one loop that sleeps until the next is due."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import dataclass
from typing import Any

from localcloud import emulator, recurring, speed
from localcloud.rounds import Rounds

log = logging.getLogger("localcloud.events")

#: However fast time passes, a rule is not due more often, in real seconds.
_LEAST_SECONDS = 0.1

_RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)")


def is_valid(expression: str) -> bool:
    """Whether EventBridge takes a schedule expression: `rate(1 minute)` but `rate(5 minutes)`, or cron."""
    if expression.startswith("rate("):
        return _RATE.fullmatch(expression) is not None
    return recurring.is_known(expression)


@dataclass
class _Running:
    """A rule's schedule since it was first seen; a rate counts from then."""

    expression: str
    base: float
    due: float | None


class Schedules:
    """Invokes the targets of scheduled rules. Lives on the event loop."""

    def __init__(self) -> None:
        self.rounds = Rounds("schedules", self._turn)
        self._running: dict[Any, _Running] = {}

    def _turn(self) -> float | None:
        """Invoke what is due; real seconds until something is again, None when there is nothing."""
        now = recurring.now()
        rules = dict(emulator.module("services.eventbridge")._rules.all_items())
        scheduled = {
            key: rule
            for key, rule in rules.items()
            if rule.get("ScheduleExpression") and rule.get("State") != "DISABLED"
        }
        self._running = {key: found for key, found in self._running.items() if key in scheduled}
        for key, rule in scheduled.items():
            text = rule["ScheduleExpression"]
            found = self._running.get(key)
            if found is None or found.expression != text:
                found = self._running[key] = _Running(text, now, recurring.next_due(text, now, now))
            if found.due is not None and found.due <= now:
                found.due = recurring.next_due(text, now, found.base)
                self._invoke(key, rule)
        waits = [found.due for found in self._running.values() if found.due is not None]
        return max(_LEAST_SECONDS, (min(waits) - now) / speed.factor()) if waits else None

    @staticmethod
    def _invoke(key: Any, rule: dict[str, Any]) -> None:
        account, region, name = key
        eventbridge = emulator.module("services.eventbridge")
        event = {
            "EventId": str(uuid.uuid4()), "Source": "aws.events", "DetailType": "Scheduled Event",
            "Detail": "{}", "EventBusName": rule["EventBusName"], "Time": int(eventbridge._now_ts()),
            "Resources": [rule["Arn"]], "Account": account, "Region": region,
        }  # fmt: skip
        with emulator.module("core.responses").request_scope(account, region):
            for target in list(eventbridge._targets.get(name) or []):
                try:
                    eventbridge._invoke_target(target, event, rule)
                except Exception:
                    # One bad target must not hold up the others.
                    log.exception("target %s of rule %s", target.get("Id"), rule["Name"])
