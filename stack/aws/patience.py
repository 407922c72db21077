"""Looks that are repeated while AWS throttles: what runs goes on, and giving up would lose sight of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

from stack.errors import THROTTLED

_T = TypeVar("_T")
# botocore itself has tried eight times within half a minute before it raises.
_LONGEST, _FIRST_PAUSE, _LONGEST_PAUSE = 600.0, 2.0, 30.0


def patiently(look: Callable[[], _T]) -> _T:
    """Return what `look` returns, calling it again with growing pauses while it is throttled.

    `look` must only read. Raises its ClientError for anything else, and after ten minutes.
    """
    deadline, pause = time.monotonic() + _LONGEST, _FIRST_PAUSE
    while True:
        try:
            return look()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in THROTTLED or time.monotonic() > deadline:
                raise
        # Not all tools of an account at the same moment again.
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(2 * pause, _LONGEST_PAUSE)
