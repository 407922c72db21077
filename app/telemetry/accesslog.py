"""One JSON line for each logged request on standard output, gathered in memory and handed on at intervals.

Formatting and writing each line on its own halves the throughput; a buffer flushed every `FLUSH_SECONDS`
costs a few per cent. A line holds no header but the two ids, no query and no body, and what looks like a
token is taken out of its path, so no credential can get into it.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

from app import redact
from app.telemetry.output import Output

if TYPE_CHECKING:
    from app.http import Request
    from app.websocket import Session

FLUSH_SECONDS = 0.05
# Lines that may wait; then they are handed on at once, so that a burst cannot grow the buffer without end.
MOST_LINES = 2000
_SANE_TRACE = re.compile(rb"[A-Za-z0-9=;:._-]{1,256}")


class AccessLog:
    """The buffer of one process. Not for several threads. `sample`: the share of successes that is logged."""

    def __init__(self, *, enabled: bool, sample: float) -> None:
        self._enabled = enabled
        self._sample = sample
        self._output: Output | None = None
        self._lines: list[str] = []
        self._second = 0
        self._stamp = ""

    def start(self, output: Output) -> None:
        """Write to `output` from now on."""
        self._output = output

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

    def add(self, request: Request, status: int, seconds: float, sent: int) -> None:
        """Note one request: `seconds` it took, `sent` bytes of body."""
        if not self._enabled:
            return
        if status < 400 and self._sample < 1 and random.random() >= self._sample:  # noqa: S311 - a sample
            return
        trace = request.headers.get(b"x-amzn-trace-id")
        route, path = request.route, request.scope["path"]
        shown = f'"{path}"' if route == path else encode_basestring_ascii(redact.text(path)[:128])
        self._lines.append(
            f'{{"time":"{self._now()}","event":"request","request_id":"{request.request_id}",'
            f'"trace_id":"{_trace(trace) if trace else ""}","method":"{request.method}",'
            f'"route":"{route}","path":{shown},'
            f'"status":{status},"ms":{seconds * 1000:.2f},"bytes_in":{len(request.body)},"bytes_out":{sent},'
            f'"source":"{request.source.address}","token":"{request.token_id}"}}\n'
        )
        if len(self._lines) >= MOST_LINES:
            self.flush()

    def add_unread(self, status: int, sent: int, source: str, request_id: str) -> None:
        """Note a request that could not be read, so that there is no method and no path."""
        if self._enabled:
            self._lines.append(
                f'{{"time":"{self._now()}","event":"request","request_id":"{request_id}","trace_id":"",'
                f'"method":"-","route":"","path":"-","status":{status},"ms":0.00,"bytes_in":0,'
                f'"bytes_out":{sent},"source":"{source}","token":""}}\n'
            )

    def add_websocket(self, session: Session) -> None:
        """Note the end of a WebSocket; its handshake has a line of its own, with the same request id."""
        if not self._enabled:
            return
        request = session.request
        self._lines.append(
            f'{{"time":"{self._now()}","event":"websocket","request_id":"{request.request_id}",'
            f'"code":{session.code},"messages":{session.messages},'
            f'"ms":{(asyncio.get_running_loop().time() - session.started) * 1000:.2f},'
            f'"bytes_in":{session.received},"bytes_out":{session.sent},'
            f'"source":"{request.source.address}","token":"{request.token_id}"}}\n'
        )

    def add_raw(self, line: str) -> None:
        """Have a line written that somebody else made."""
        self._lines.append(line + "\n")

    def flush(self) -> None:
        """Hand on what has gathered."""
        if self._lines and self._output is not None:
            lines, self._lines = self._lines, []
            self._output.put("".join(lines).encode())


def _trace(value: bytes) -> str:
    """A trace id as it may be logged; nothing of one that is not what the load balancer would write."""
    return redact.text(value.decode()) if _SANE_TRACE.fullmatch(value) else ""
