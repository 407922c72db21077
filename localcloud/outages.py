"""What is out for a while, so that what depends on it can be seen to cope: zones, regions, DynamoDB.

Not saved: outages end with the process.
"""

from __future__ import annotations

import re
import time


class Outages:
    """What of one kind is out, by name."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def begin(self, name: str, seconds: float) -> None:
        """From now on for `seconds`; with 0 it is over. Raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError("an outage lasts 0 seconds or more")
        self._until[name] = time.monotonic() + seconds

    def left(self, name: str) -> float:
        """Seconds that are left, 0 for what is not out."""
        return max(0.0, self._until.get(name, 0.0) - time.monotonic())

    def all(self) -> dict[str, float]:
        """Everything that is out, with the seconds that are left."""
        return {name: left for name in self._until if (left := self.left(name))}


#: By availability zone, by region, by service.
ZONES, REGIONS, SERVICES = Outages(), Outages(), Outages()

DYNAMODB = "DynamoDB"

#: What DynamoDB says when it has a fault of its own ("Error handling with DynamoDB", developer guide).
FAULT = {
    "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError",
    "message": "The request processing has failed because of an unknown error, exception or failure. "
    "(An outage of the local cloud.)",
}

#: Services whose requests are signed for some region, and which are everywhere.
_GLOBAL = frozenset({"iam", "route53", "sts"})

#: The region and the service that a request is signed for.
_SCOPE = re.compile(r"Credential=[^/,]+/\d+/([^/]+)/([^/]+)/aws4_request")


def zone_is_out(zone: str) -> bool:
    """Whether nothing runs in a zone, or in its whole region."""
    return bool(ZONES.left(zone) or REGIONS.left(zone[:-1]))


def status(target: str, authorization: str) -> int:
    """The HTTP status with which a request fails now, 0 when it does not.

    `target` is its X-Amz-Target; `authorization` its signature, which says the region.
    """
    if target.startswith(DYNAMODB) and SERVICES.left(DYNAMODB):
        return 500
    signed = _SCOPE.search(authorization)
    return 503 if signed and signed[2] not in _GLOBAL and REGIONS.left(signed[1]) else 0
