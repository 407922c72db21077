"""How long operations took the last time on this machine, in .state/<ENV>/, to say how long is left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from stack.files.environment import Environment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

# The key of a whole stack beside its resources' logical ids, which have no such character.
WHOLE = "*"


class Durations:
    """Seconds by operation ("create", "update", "delete") and logical id, of one stack."""

    def __init__(self, environment: Environment, stack: str, operation: str) -> None:
        self._file = environment.state / "durations.json"
        self._stack = stack
        self._operation = operation
        self._known = self._read().get(stack, {}).get(operation, {})

    def left(self, begun: Mapping[str, float], now: float) -> float | None:
        """Seconds until what has begun is probably done; None where nothing is known of it.

        `begun` holds when (of the same clock as `now`) each resource began, and the whole stack, as WHOLE.
        A negative number is for how long it has taken longer than the last time.
        """
        # An update does something else each time, so only what is under way tells how long it takes.
        keys = begun.keys() - {WHOLE} if self._operation == "update" else begun.keys() & {WHOLE}
        known = [self._known[key] - (now - begun[key]) for key in keys if key in self._known]
        return max(known) if known else None

    def keep(self, events: Iterable[StackEventTypeDef], stack_id: str) -> None:
        """Remember how long each resource took, and the whole; `events` in the order they happened."""
        begun: dict[str, datetime] = {}
        took: dict[str, float] = {}
        for event in events:
            key = WHOLE if event.get("PhysicalResourceId") == stack_id else event.get("LogicalResourceId", "")
            status = event.get("ResourceStatus", "")
            if status.endswith("_IN_PROGRESS"):
                begun.setdefault(key, event["Timestamp"])
            elif status.endswith("_COMPLETE") and key in begun:
                took[key] = round((event["Timestamp"] - begun[key]).total_seconds(), 1)
        everything = self._read()
        everything.setdefault(self._stack, {}).setdefault(self._operation, {}).update(took)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        whole = self._file.with_suffix(".new")
        whole.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
        whole.replace(self._file)

    def _read(self) -> dict[str, dict[str, dict[str, float]]]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            # An estimate is no reason to stop an operation; the next one writes the file anew.
            return {}
        return found if isinstance(found, dict) else {}


def in_words(left: float | None) -> str:
    """Say what is left: "about 40 s left", "takes 12 s longer than the last time", or nothing."""
    if left is None:
        return ""
    if left < 1:
        return f"takes {-left:.0f} s longer than the last time" if left <= -1 else "nearly done"
    return f"about {left:.0f} s left" if left < 100 else f"about {left / 60:.0f} min left"
