"""Metrics as CloudWatch's embedded metric format: JSON lines in the log that CloudWatch turns into metrics.

Counts are plain numbers. A histogram is an object of `Values` and `Counts` (a pair for each bucket: the mean
of what is in it, and how many that are), the form that AWS's own exporters write; the specification's arrays
of at most 100 samples could not hold a busy minute. So that no alarm on an objective depends on that form,
what is slower than the objective is counted as well.
"""

from __future__ import annotations

import json
from typing import Any

from app.telemetry.metrics import BOUNDS, LIMITS, OBJECTIVE_SECONDS, STATUSES, Histogram, Metrics

NAMESPACE = "EchoRoom"
# The health checks' share would hide what clients see.
_UNCOUNTED = ("/healthz", "/healthz/echo", "/readyz")
_LATE = BOUNDS.index(OBJECTIVE_SECONDS) + 1

# What each metric means, for the documentation; the test holds the lines to it.
METRICS: dict[str, tuple[str, str]] = {
    "Requests": ("Count", "requests answered, health checks excepted"),
    "ServerErrors": ("Count", "of these, with a status of 500 or more"),
    "ClientErrors": ("Count", "of these, with a status from 400 to 499"),
    "Latency": ("Milliseconds", "from a request's header to its answer, all requests"),
    "SlowRequests": ("Count", "requests that took longer than 100 ms"),
    "LookupLatency": ("Milliseconds", "look-ups of tokens in the store"),
    "Lookups": ("Count", "look-ups of tokens in the store"),
    "SlowLookups": ("Count", "look-ups that took longer than 100 ms, or failed"),
    "StoreFailures": ("Count", "look-ups that the store did not answer"),
    "EchoesCompared": ("Count", "echoes that were read back and compared with what was sent"),
    "EchoesDifferent": ("Count", "of these, not equal: refused with 500 instead"),
    "Throttled": ("Count", "requests refused with 429 by a limit of requests"),
    "Refusals": ("Count", "problems answered; also by `Kind`"),
    "BytesIn": ("Bytes", "of request bodies"),
    "BytesOut": ("Bytes", "of answers' bodies"),
    "InFlight": ("Count", "requests being answered at the moment of the line"),
    "Connections": ("Count", "open connections at the moment of the line"),
    "WebSockets": ("Count", "open WebSockets at the moment of the line"),
    "Messages": ("Count", "WebSocket messages echoed"),
    "LogDropped": ("Count", "pieces of the log dropped because nobody read it"),
}


class Flusher:
    """Makes the lines of one process: each about what was counted since the one before."""

    def __init__(self, metrics: Metrics, environment: str) -> None:
        self._metrics = metrics
        self._environment = environment
        self._before = list(metrics.numbers)

    def lines(self, milliseconds: int) -> list[str]:
        """The lines for now (milliseconds since 1970), without line ends."""
        self._metrics.publish()
        now = list(self._metrics.numbers)
        since = [new - old for new, old in zip(now, self._before, strict=True)]
        self._before = now
        documents = [self._document(milliseconds, ["Environment"], {}, self._values(since, now))]
        for kind, at in self._metrics.refusal_at.items():
            if since[at]:
                documents.append(
                    self._document(
                        milliseconds, ["Environment", "Kind"], {"Kind": kind}, {"Refusals": int(since[at])}
                    )
                )
        return [json.dumps(document, separators=(",", ":")) for document in documents]

    def _document(
        self, milliseconds: int, dimensions: list[str], extra: dict[str, str], values: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "_aws": {
                "Timestamp": milliseconds,
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [dimensions],
                        "Metrics": [{"Name": name, "Unit": METRICS[name][0]} for name in values],
                    }
                ],
            },
            "event": "metrics",
            "Environment": self._environment,
            **extra,
            **values,
        }

    def _values(self, since: list[float], now: list[float]) -> dict[str, Any]:
        metrics = self._metrics
        by_status = [0] * len(STATUSES)
        for route in metrics.routes:
            if route not in _UNCOUNTED:
                at = metrics.requests_at(route)
                for index in range(len(STATUSES)):
                    by_status[index] += int(since[at + index])
        lookups = metrics.lookups.counts(since)
        values: dict[str, Any] = {
            "Requests": sum(by_status),
            "ServerErrors": by_status[4],
            "ClientErrors": by_status[3],
            "SlowRequests": int(sum(metrics.latency.counts(since)[_LATE:])),
            "Lookups": int(sum(lookups)),
            "SlowLookups": int(sum(lookups[_LATE:])),
            "StoreFailures": int(since[metrics.store_failures]),
            "EchoesCompared": int(since[metrics.compared]),
            "EchoesDifferent": int(since[metrics.different]),
            "Throttled": int(sum(since[metrics.throttled_at[name]] for name in LIMITS)),
            "Refusals": int(sum(since[at] for at in metrics.refusal_at.values())),
            "BytesIn": int(since[metrics.bytes_in]),
            "BytesOut": int(since[metrics.bytes_out]),
            "InFlight": int(now[metrics.in_flight]),
            "Connections": int(now[metrics.connections]),
            "WebSockets": int(now[metrics.websockets]),
            "Messages": int(since[metrics.messages]),
            "LogDropped": int(since[metrics.dropped]),
        }
        for name, histogram in (("Latency", metrics.latency), ("LookupLatency", metrics.lookups)):
            value = _histogram(histogram, since)
            if value:  # an empty one is not valid
                values[name] = value
        return values


def _histogram(histogram: Histogram, since: list[float]) -> dict[str, Any]:
    pairs = [
        (round(1000 * total / count, 4), int(count))
        for count, total in zip(histogram.counts(since), histogram.sums(since), strict=True)
        if count
    ]
    if not pairs:
        return {}
    values, counts = zip(*pairs, strict=True)
    return {
        "Values": list(values),
        "Counts": list(counts),
        "Min": values[0],
        "Max": values[-1],
        "Count": sum(counts),
        "Sum": round(1000 * sum(histogram.sums(since)), 4),
    }
