"""How the rate of requests goes up and down over a run, and when exactly each request is due."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

SHORTEST_SECONDS, LONGEST_SECONDS = 1, 86400


@dataclass(frozen=True)
class Profile:
    """A shape: `points` are shares of the time and of the rate, joined by straight lines.

    `seconds` and `share` (of the rate that the environment allows) are what a run gets that asks for nothing.
    """

    description: str
    seconds: int
    share: float
    points: tuple[tuple[float, float], ...]


_FLAT = ((0.0, 1.0), (1.0, 1.0))
PROFILES = {
    "steady": Profile("the rate, all the time", 60, 1.0, _FLAT),
    "ramp": Profile("from a tenth of the rate up to it", 180, 1.0, ((0.0, 0.1), (1.0, 1.0))),
    "spike": Profile(
        "a fifth of the rate; in the middle third suddenly all of it",
        180,
        1.0,
        ((0.0, 0.2), (1 / 3, 0.2), (1 / 3, 1.0), (2 / 3, 1.0), (2 / 3, 0.2), (1.0, 0.2)),
    ),
    "soak": Profile("half of what the environment allows, for an hour", 3600, 0.5, _FLAT),
}


class Schedule:
    """When each request of a run is due, however slow answers are; `rate` is a second's, at its highest."""

    def __init__(self, profile: Profile, rate: float, seconds: float) -> None:
        self._points = [(time * seconds, share * rate) for time, share in profile.points]
        self.requests = math.floor(sum(_area(begin, end) for begin, end in pairwise(self._points)) + 1e-9)
        self.seconds = seconds

    def due(self, number: int) -> float:
        """Seconds from the beginning to when request `number` (from 0) is to be sent; after the last: inf."""
        if number >= self.requests:
            return math.inf
        left = float(number)
        for begin, end in pairwise(self._points):
            area = _area(begin, end)
            if left < area:
                return begin[0] + _time_to(left, begin[1], (end[1] - begin[1]) / (end[0] - begin[0]))
            left -= area
        return self.seconds


def _area(begin: tuple[float, float], end: tuple[float, float]) -> float:
    return (end[0] - begin[0]) * (begin[1] + end[1]) / 2


def _time_to(requests: float, rate: float, growth: float) -> float:
    """Seconds after which so many requests are due, at a rate that grows by `growth` a second."""
    if abs(growth) < 1e-12:
        return requests / rate
    return (math.sqrt(rate * rate + 2 * growth * requests) - rate) / growth
