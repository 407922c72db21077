"""How many tasks a policy wants: the arithmetic of AWS's documentation, without any state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

#: Floating-point division must not make a whole number of tasks one more.
_EPSILON = 1e-9


def tracked_out(capacity: int, value: float, target: float) -> int:
    """The capacity that brings a metric of `value` down to `target`, if it halves when capacity doubles."""
    return max(capacity, math.ceil(capacity * value / target - _EPSILON))


def tracked_in(capacity: int, value: float, target: float) -> int:
    """A capacity that keeps the metric at or under `target`, a tenth (one at least) less than now at most.

    AWS documents that it removes capacity gradually, but not by how much at once.
    """
    holding = math.ceil(capacity * value / target - _EPSILON)
    return min(capacity, max(holding, capacity - max(1, capacity // 10), 0))


def step_adjustment(steps: list[dict[str, Any]], breach: float, above: bool) -> int | None:
    """The adjustment of the step that `breach` (value less threshold) is in; None when it is in none.

    Lower bounds belong to a step where the alarm is about values `above` its threshold, else upper ones.
    """
    for step in steps:
        low = float(step.get("MetricIntervalLowerBound", -math.inf))
        high = float(step.get("MetricIntervalUpperBound", math.inf))
        if (low <= breach < high) if above else (low < breach <= high):
            return int(step["ScalingAdjustment"])
    return None


def adjusted(capacity: int, kind: str, adjustment: int, least: int = 0) -> int:
    """The capacity after an adjustment of the AdjustmentType `kind`, before any bounds.

    A percentage that is less than one task counts as one, anything else is rounded toward zero; `least` is
    the MinAdjustmentMagnitude.
    """
    if kind == "ExactCapacity":
        return adjustment
    change = adjustment
    if kind == "PercentChangeInCapacity":
        exact = capacity * adjustment / 100
        change = int(math.copysign(1, exact)) if 0 < abs(exact) < 1 else math.trunc(exact)
        if adjustment and abs(change) < least:
            change = int(math.copysign(least, adjustment))
    return max(0, capacity + change)


@dataclass(frozen=True)
class Wish:
    """The capacity that one policy wants because of one alarm, and why in AWS's words."""

    policy: str
    cause: str
    capacity: int
    tracking: bool = False
    scale_in: bool = False


def choose(wishes: list[Wish], asked: set[str]) -> Wish | None:
    """The wish that counts, which is that of the largest capacity; None when there is none.

    Target tracking scales in only if all of its policies whose scale-in is enabled, `asked`, are ready to.
    Step scaling asks nobody.
    """
    ready = {wish.policy for wish in wishes if wish.tracking and wish.scale_in}
    if not asked <= ready:
        wishes = [wish for wish in wishes if not (wish.tracking and wish.scale_in)]
    return max(wishes, key=lambda wish: wish.capacity, default=None)
