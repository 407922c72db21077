"""How long CloudWatch's periods last here.

A period of 60 s takes 60 / LOCAL_SPEED seconds; timestamps are real. A minute takes a tenth of a second at
least, however high the speed: shorter ones could not be told apart from the time that counting takes.
"""

from __future__ import annotations

import math

from localcloud import speed

_FASTEST = 600.0


def seconds(period: float) -> float:
    """How many real seconds a period of `period` seconds lasts."""
    return period / min(speed.factor(), _FASTEST)


def begin(time: float, period: float) -> float:
    """When the period that contains `time` (seconds since 1970) began."""
    return slot(time, period) * seconds(period)


def slot(time: float, period: float) -> int:
    """The number of the period that contains `time`."""
    # What was rounded down by a hair belongs to the period it began.
    return math.floor(time / seconds(period) + 1e-6)
