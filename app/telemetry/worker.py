"""What one worker tells about itself: the access log, metrics in the log, and the management port."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.http import Request
from app.problems import Problem
from app.settings import Settings
from app.telemetry.accesslog import FLUSH_SECONDS, AccessLog
from app.telemetry.emf import Flusher
from app.telemetry.metrics import UNMATCHED, Metrics
from app.telemetry.output import Output, make_lock
from app.telemetry.recent import SAMPLE_SECONDS, Recent

if TYPE_CHECKING:
    from app.websocket import Session

PUBLISH_SECONDS = 1.0
# How long a worker that ends waits for its log to be read.
_LAST_SECONDS = 1.0


class Telemetry:
    """See the module. Nothing is written before `start`."""

    def __init__(self, settings: Settings, metrics: Metrics, management: socket.socket | None) -> None:
        self.metrics = metrics
        self.recent = Recent(metrics)
        self._settings = settings
        self.output_lock = make_lock()
        self._log = AccessLog(enabled=settings.access_log, sample=settings.log_sample)
        self._listener = management
        self._management: asyncio.Server | None = None
        self._output: Output
        self._flusher: Flusher
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to write and to answer, on the running loop."""
        # Only now: a thread does not survive the fork, and the slot's numbers were taken over after it.
        self._output = Output(sys.stdout.fileno(), self.output_lock)
        self._log.start(self._output)
        self._flusher = Flusher(self.metrics, self._settings.env)
        if self._listener is not None:
            from app.telemetry.management import (
                Management,  # and with it prometheus_client, only where it is wanted
            )

            self._management = await asyncio.start_server(
                Management(self.metrics), sock=self._listener, limit=Management.MOST_HEADER
            )
        self._chores = [
            asyncio.create_task(self._every(FLUSH_SECONDS, self._log.flush)),
            asyncio.create_task(self._every(PUBLISH_SECONDS, self._publish)),
        ]
        if self._settings.console:
            self.recent.sample()
            self._chores.append(asyncio.create_task(self._every(SAMPLE_SECONDS, self.recent.sample)))
        if self._settings.metrics_seconds:
            self._chores.append(
                asyncio.create_task(self._every(self._settings.metrics_seconds, self._write_metrics))
            )

    async def stop(self) -> None:
        """Write what is left."""
        for chore in self._chores:
            chore.cancel()
        if self._management is not None:
            self._management.close()
        if self._settings.metrics_seconds:
            self._write_metrics()
        self._publish()
        self._log.flush()
        self._output.close(_LAST_SECONDS)

    @staticmethod
    async def _every(seconds: float, do: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            do()

    def _publish(self) -> None:
        self.metrics.numbers[self.metrics.dropped] += self._output.take_dropped()
        self.metrics.publish()

    def _write_metrics(self) -> None:
        self._publish()
        for line in self._flusher.lines(int(time.time() * 1000)):
            self._log.add_raw(line)

    def answered(self, request: Request, status: int, seconds: float, sent: int) -> None:
        """Note an answered request: `seconds` it took, `sent` bytes of body."""
        metrics = self.metrics
        if request.problem:
            metrics.numbers[metrics.refusal_at[request.problem]] += 1
        metrics.request(request.route, status, seconds, len(request.body), sent)
        self._log.add(request, status, seconds, sent)

    def refused_unread(self, problem: Problem, sent: int, source: str, request_id: str) -> None:
        """Note what the connection refused, because it could not be read as a request."""
        self.metrics.numbers[self.metrics.refusal_at[problem.kind.name]] += 1
        self.metrics.request(UNMATCHED, problem.status, 0.0, 0, sent)
        self._log.add_unread(problem.status, sent, source, request_id)

    def websocket_ended(self, session: Session) -> None:
        """Note the end of a WebSocket."""
        self._log.add_websocket(session)
