"""DynamoDB that answers nothing but 500 for a while, so that what depends on it can be seen to cope.

Not saved: an outage ends with the process.
"""

from __future__ import annotations

import time

#: What DynamoDB says when it has a fault of its own ("Error handling with DynamoDB", developer guide).
FAULT = {
    "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError",
    "message": "The request processing has failed because of an unknown error, exception or failure. "
    "(An outage of the local cloud.)",
}
_TARGET = "DynamoDB"
_until = 0.0


def begin(seconds: float) -> None:
    """From now on for `seconds`; with 0 it is over. Raises ValueError for a negative number."""
    global _until
    if seconds < 0:
        raise ValueError("an outage lasts 0 seconds or more")
    _until = time.monotonic() + seconds


def left() -> float:
    """Seconds that are left, 0 while there is no outage."""
    return max(0.0, _until - time.monotonic())


def hits(target: str) -> bool:
    """Whether a request with this X-Amz-Target is one of those that fail now."""
    return target.startswith(_TARGET) and left() > 0
