"""How much of the logs is kept: under load they would fill the memory, and each save would take longer."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from localcloud import emulator

#: Lines of a log group that are kept, and how many more there may be until the oldest are dropped.
KEPT, SLACK = 20_000, 2_000
#: Lines that GetLogRecord finds by their pointers; a query makes them known again.
_POINTERS = 1_000
#: MiniStack's stores, by their names in the saved state. Pointers are not saved.
_SAVED = (
    "log_groups", "destinations", "resource_policies", "log_group_policies", "metric_filters", "queries",
    "delivery_sources", "delivery_destinations", "deliveries",
)  # fmt: skip


def install() -> None:
    """Bound what MiniStack keeps, and save it without copying it; before the saved state is loaded."""
    logs = emulator.module("services.cloudwatch_logs")
    base = emulator.module("core.responses").AccountRegionScopedDict
    put = logs._put_log_events

    class Pointers(base):  # type: ignore[misc, valid-type]  # found at run time
        __slots__ = ()

        def __setitem__(self, key: str, value: dict[str, Any]) -> None:
            super().__setitem__(key, value)
            while len(self._data) > _POINTERS:
                del self._data[next(iter(self._data))]

    def put_log_events(data: dict[str, Any]) -> Any:
        answer = put(data)
        if answer[0] < 400:
            trim(logs._log_groups[data["logGroupName"]]["streams"].values(), logs._log_events_lock)
        return answer

    logs._log_records = Pointers()
    logs._put_log_events = put_log_events
    logs.get_state = _state


def trim(streams: Any, lock: Any, kept: int = KEPT, slack: int = SLACK) -> None:
    """Drop a log group's oldest lines when there are too many; those of one millisecond go together."""
    if sum(len(stream["events"]) for stream in streams) <= kept + slack:
        return
    with lock:
        times = sorted(event["timestamp"] for stream in streams for event in stream["events"])
        oldest = times[-kept]
        for stream in streams:
            events = stream["events"]
            del events[: bisect_left(events, oldest, key=lambda event: event["timestamp"])]
            stream["firstEventTimestamp"] = events[0]["timestamp"] if events else None


def _state() -> dict[str, Any]:
    """What is saved. MiniStack copies all of it first, which takes longer than writing it."""
    logs = emulator.module("services.cloudwatch_logs")
    return {name: getattr(logs, f"_{name}") for name in _SAVED}
