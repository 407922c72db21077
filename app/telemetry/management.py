"""The management port: `GET /metrics` as Prometheus text. Off by default, and loopback unless told otherwise.

Every worker accepts on the one socket; whoever gets the question adds up the numbers of all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from app.telemetry.metrics import BOUNDS, LIMITS, STATUSES, Histogram, Metrics

_SECONDS = 5.0


class _Collector:
    """All numbers of all workers, in Prometheus' terms."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        """See prometheus_client."""
        metrics, numbers = self._metrics, self._metrics.total()
        requests = CounterMetricFamily("echo_requests", "Requests answered.", labels=["route", "status"])
        for route in metrics.routes:
            at = metrics.requests_at(route)
            for index, status in enumerate(STATUSES):
                if numbers[at + index]:
                    requests.add_metric([route, status], numbers[at + index])
        yield requests
        yield _histogram("echo_request_seconds", "Time from header to answer.", metrics.latency, numbers)
        yield _histogram("echo_lookup_seconds", "Token look-ups in the store.", metrics.lookups, numbers)
        refusals = CounterMetricFamily("echo_refusals", "Problems answered.", labels=["kind"])
        for kind, at in metrics.refusal_at.items():
            refusals.add_metric([kind], numbers[at])
        yield refusals
        throttled = CounterMetricFamily("echo_throttled", "Requests refused by a limit.", labels=["limit"])
        for name in LIMITS:
            throttled.add_metric([name], numbers[metrics.throttled_at[name]])
        yield throttled
        for name, text, at in (
            ("echo_received_bytes", "Bytes of request bodies.", metrics.bytes_in),
            ("echo_sent_bytes", "Bytes of answers' bodies.", metrics.bytes_out),
            ("echo_compared", "Echoes compared with what was sent.", metrics.compared),
            ("echo_different", "Echoes that were not equal to what was sent.", metrics.different),
            ("echo_store_failures", "Look-ups that the store did not answer.", metrics.store_failures),
            ("echo_websocket_messages", "WebSocket messages echoed.", metrics.messages),
            ("echo_log_dropped", "Pieces of the log dropped because nobody read it.", metrics.dropped),
        ):
            yield CounterMetricFamily(name, text, value=numbers[at])
        for name, text, at in (
            ("echo_in_flight", "Requests being answered.", metrics.in_flight),
            ("echo_connections", "Open connections.", metrics.connections),
            ("echo_websockets", "Open WebSockets.", metrics.websockets),
        ):
            yield GaugeMetricFamily(name, text, value=numbers[at])


def _histogram(name: str, text: str, histogram: Histogram, numbers: list[float]) -> HistogramMetricFamily:
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts(numbers)), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=sum(histogram.sums(numbers)))


class Management:
    """Answers on the management port for one worker."""

    MOST_HEADER = 16 * 1024
    """Bytes of a request's header that are read at most."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(metrics))

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, then close."""
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                method, _, rest = head.partition(b" ")
                path = rest.partition(b" ")[0].partition(b"?")[0]
                status, kind, body = b"404 Not Found", b"text/plain", b"GET /metrics\n"
                if path == b"/metrics":
                    status, kind = b"405 Method Not Allowed\r\nallow: GET", b"text/plain"
                    if method == b"GET":
                        status, kind = b"200 OK", CONTENT_TYPE_PLAIN_0_0_4.encode()
                        body = generate_latest(self._registry)
                writer.write(
                    b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n"
                    b"x-content-type-options: nosniff\r\n\r\n%b" % (status, kind, len(body), body)
                )
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, too slow, or does not speak HTTP
        finally:
            writer.close()
