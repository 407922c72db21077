"""Token buckets: how many requests a token, or the network it comes from, may make.

A bucket holds `burst` requests and fills at `rate` a second. It is kept as one number, the moment at which it
will be full again (the generic cell rate algorithm), so taking from it costs one look-up and one store.
Each worker process has its own buckets: a service of N workers allows up to N times as much.

The header fields are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "token";q=5000;w=5`
(the quota, and the seconds in which it fills) and `RateLimit: "token";r=4999;t=1` (what remains, and the
seconds until the quota is whole again).

Used on the event loop only: nothing here locks.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from app.http import Request
from app.problems import Problem
from app.settings import Settings

# Requests that strangers can use to guess or to fill: they have a stricter policy.
CREDENTIAL_ROUTES = frozenset({("POST", "/accounts"), ("POST", "/sessions"), ("POST", "/console/session")})
# What the balancer and the container's health check ask for must never be refused.
EXEMPT = frozenset({"/healthz", "/readyz"})


class Throttled(Problem):
    """429: `limit` is the name of the policy whose quota was used up."""

    def __init__(self, limit: str, seconds: int) -> None:
        super().__init__(
            "too-many-requests",
            f"This {limit} has sent too many requests; try again in {seconds} s.",
            (("Retry-After", str(seconds)),),
        )
        self.limit = limit


class Buckets:
    """One policy's buckets. At most `size` are kept: the one used longest ago goes (and is full again)."""

    def __init__(
        self, name: str, rate: float, burst: int, size: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._interval = 1 / rate if rate else 0.0  # seconds in which one request flows in; 0: no limit
        self._burst = burst
        self._window = burst * self._interval
        self._size = size
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._format = (
            f'"{name}";r=%d;t=%d\r\nratelimit-policy: "{name}";q={burst};w={math.ceil(self._window)}'.encode()
        )

    def take(self, key: str) -> tuple[int, float]:
        """Take one request from the bucket `key`: how many are left, and the seconds until it is full.

        Nothing is taken from a bucket that is empty: then the first number is negative.
        """
        interval = self._interval
        if not interval:
            return self._burst, 0.0
        now = self._clock()
        buckets = self._full_at
        full_at = buckets.get(key)
        if full_at is None:
            if len(buckets) >= self._size:
                buckets.popitem(last=False)
            full_at = now
        else:
            buckets.move_to_end(key)
            if full_at < now:
                full_at = now
        full_at += interval
        wait = full_at - now
        left = self._window - wait
        # A thousandth of a request: sums of intervals are not exact.
        if left < -0.001 * interval:
            return -1, wait
        buckets[key] = full_at
        return int(left / interval + 0.001), wait

    def fields(self, left: int, wait: float) -> tuple[bytes, bytes]:
        """Both header fields as one: the second one stands behind a line end in the first's value."""
        return b"ratelimit", self._format % (left, wait + 0.999)

    def charge(self, request: Request, key: str) -> None:
        """Take one request and note the fields for its answer. Raises Problem (429) if there is none."""
        left, wait = self.take(key)
        if left >= 0:
            if self._interval:
                request.limit = (self, left, wait)
            return
        # `wait` counts up to the moment when this request would be in the bucket.
        seconds = max(1, math.ceil(wait - self._window))
        request.limit = (self, 0, seconds)
        raise Throttled(self._name, seconds)


class Limits:
    """All policies of one worker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        size = settings.limit_size
        self.token = Buckets("token", settings.token_rate, settings.token_burst, size, clock)
        self.source = Buckets("source", settings.source_rate, settings.source_burst, size, clock)
        self.credential = Buckets(
            "credential", settings.credential_rate, settings.credential_burst, size, clock
        )

    def arrived(self, request: Request, path: str) -> None:
        """Charge the source of a request whose body was not read yet. Raises Problem (429)."""
        if path in EXEMPT:
            return
        self.source.charge(request, request.source.network)
        if (request.method, path) in CREDENTIAL_ROUTES:
            self.credential.charge(request, request.source.network)
