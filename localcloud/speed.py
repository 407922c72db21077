"""How fast waiting times pass: minutes that AWS waits, such as a deployment's bake time, can be shortened.

`LOCAL_SPEED`, an environment variable of the local cloud's process, divides them; 1 by default.
"""

from __future__ import annotations

import os

VARIABLE = "LOCAL_SPEED"
_MOST = 1_000_000.0


class SpeedError(RuntimeError):
    """LOCAL_SPEED is not a number it can be; the message says which it is."""


def factor() -> float:
    """How many times faster than on AWS waiting times pass. Raises SpeedError."""
    given = os.environ.get(VARIABLE) or "1"
    try:
        found = float(given)
    except ValueError:
        found = 0.0
    if not 0 < found <= _MOST:
        raise SpeedError(f"{VARIABLE} is {given!r}; it must be a number above 0, such as 60: a minute passes "
                         "in a second then.")  # fmt: skip
    return found


def minutes(count: float) -> float:
    """So many minutes, in seconds of this local cloud."""
    return count * 60 / factor()
