"""Counts what the load's requests got: for the live view, and for the objectives at the end."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

# The live view's percentiles are about so many seconds.
_WINDOW_SECONDS = 10.0
_REASONS = 50


class DifferentError(Exception):
    """An answer that is another string than the one sent."""


class Recorder:
    """Counts of one run; times in seconds from its beginning, latencies in milliseconds."""

    def __init__(self, slow_ms: float) -> None:
        self._slow_ms = slow_ms
        self.counts = {"requests": 0, "failed": 0, "different": 0, "slow": 0}
        self.reasons: Counter[str] = Counter()
        self._recent: deque[tuple[float, float]] = deque()
        self._told = (0.0, 0, 0)

    def record(self, at: float, what: str, latency: float, error: BaseException | None) -> None:
        """Count one request that ended at `at`."""
        self.counts["requests"] += 1
        self.counts["slow"] += latency >= self._slow_ms
        if error is not None:
            self.counts["different" if isinstance(error, DifferentError) else "failed"] += 1
            reason = f"{what}: {error or type(error).__name__}"[:200]
            self.reasons[reason if reason in self.reasons or len(self.reasons) < _REASONS else "others"] += 1
        self._recent.append((at, latency))

    def view(self, at: float) -> dict[str, Any]:
        """How it goes; `rate` and `failing` are requests a second since the last view."""
        while self._recent and self._recent[0][0] < at - _WINDOW_SECONDS:
            self._recent.popleft()
        latencies = sorted(latency for _, latency in self._recent)
        failures = self.counts["failed"] + self.counts["different"]
        before, requests_before, failures_before = self._told
        self._told = (at, self.counts["requests"], failures)
        seconds = max(at - before, 0.001)
        return {
            "at": round(at, 1),
            "rate": round((self.counts["requests"] - requests_before) / seconds, 1),
            "failing": round((failures - failures_before) / seconds, 1),
            **{f"p{percent}": _percentile(latencies, percent) for percent in (50, 95, 99)},
            "requests": self.counts["requests"],
            "failures": failures,
        }


def _percentile(ordered: list[float], percent: int) -> float:
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1) if ordered else 0.0
