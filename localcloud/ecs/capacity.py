"""Which capacity provider a task runs on, by the bases and weights of a strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from localcloud.ecs.records import Record

_FARGATE = frozenset({"FARGATE", "FARGATE_SPOT"})


def problem(strategy: Iterable[Record]) -> str:
    """Why AWS refuses a strategy, "" when it does not."""
    items = list(strategy)
    if unknown := [i["capacityProvider"] for i in items if i["capacityProvider"] not in _FARGATE]:
        return f"The specified capacity provider {unknown[0]} was not found."
    if sum(int(item.get("base") or 0) > 0 for item in items) > 1:
        return "Only one capacity provider in a capacity provider strategy can have a base defined."
    if items and not any(int(item.get("weight") or 0) for item in items):
        return "At least one capacity provider in a capacity provider strategy must have a weight above 0."
    return ""


def choose(strategy: Iterable[Record], running: Iterable[str | None]) -> str:
    """The provider of the next task, when the others run on `running`.

    First the base is filled; the tasks above it are divided by weight, as evenly as they can be.
    """
    count = Counter(running)
    above: list[tuple[float, int, str]] = []
    for index, item in enumerate(strategy):
        name, base, weight = (
            item["capacityProvider"],
            int(item.get("base") or 0),
            int(item.get("weight") or 0),
        )
        if count[name] < base:
            return str(name)
        if weight:
            above.append(((count[name] - base + 1) / weight, index, name))
    return min(above)[2]
