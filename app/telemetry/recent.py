"""How fast the service answered lately: percentiles of the last minute, over all workers of this task."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from app.telemetry.metrics import Metrics

SAMPLE_SECONDS = 5.0
_SAMPLES = 12


class Recent:
    """Samples the histogram of latencies. `sample` is called on the event loop; `latest` read anywhere."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._before: deque[tuple[float, list[float]]] = deque(maxlen=_SAMPLES)
        self.latest: dict[str, float | None] = {"seconds": 0.0, "p50_ms": None, "p99_ms": None}
        """`seconds` that it is about (0 to 60), and percentiles in milliseconds; null without requests."""

    def sample(self) -> None:
        """Look at the numbers, and compare them with those of a minute ago."""
        now, numbers = self._clock(), self._metrics.total()
        if self._before:
            then, old = self._before[0]
            since = [new - before for new, before in zip(numbers, old, strict=True)]
            self.latest = {
                "seconds": round(now - then, 1),
                "p50_ms": self._percentile(since, 0.5),
                "p99_ms": self._percentile(since, 0.99),
            }
        self._before.append((now, numbers))

    def _percentile(self, since: list[float], share: float) -> float | None:
        """The mean of the bucket in which that share of the requests is reached, in milliseconds."""
        histogram = self._metrics.latency
        counts = histogram.counts(since)
        wanted = share * sum(counts)
        for count, seconds in zip(counts, histogram.sums(since), strict=True):
            wanted -= count
            if count and wanted <= 0:
                return round(1000 * seconds / count, 3)
        return None
