"""One JSON line per request on standard output, gathered in memory and written at intervals.

Formatting and writing each line on its own halves the throughput; a buffer flushed every `FLUSH_SECONDS`
costs a few per cent. A line holds no header and no query, so no credential can get into it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.websocket import Session

FLUSH_SECONDS = 0.05
# Lines that may wait; then they are written at once, so that a burst cannot grow the buffer without end.
MOST_LINES = 2000
# Workers share one pipe, and only writes of up to 4096 bytes (PIPE_BUF) are never torn apart by another's.
# Lines are some 220 bytes; a dozen with very long paths may pass that bound, and take their chance.
_LINES_A_WRITE = 12


class AccessLog:
    """The buffer of one process. Not for several threads."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._lines: list[str] = []
        self._second = 0
        self._stamp = ""

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

    def add(
        self,
        method: str,
        path: str,
        status: int,
        seconds: float,
        sent: int,
        source: str,
        request_id: str,
        token: str,
    ) -> None:
        """Note one request: `seconds` it took, `sent` bytes of body, `token` the token's id or ''."""
        if not self.enabled:
            return
        self._lines.append(
            f'{{"time":"{self._now()}","event":"request",'
            f'"method":"{method}","path":{encode_basestring_ascii(path[:128])},"status":{status},'
            f'"ms":{seconds * 1000:.2f},"bytes":{sent},"source":"{source}",'
            f'"token":"{token}","request_id":"{request_id}"}}\n'
        )
        if len(self._lines) >= MOST_LINES:
            self.flush()

    def add_websocket(self, session: Session) -> None:
        """Note the end of a WebSocket; its handshake has a line of its own, with the same request id."""
        if not self.enabled:
            return
        request = session.request
        self._lines.append(
            f'{{"time":"{self._now()}","event":"websocket","code":{session.code},'
            f'"messages":{session.messages},"bytes_in":{session.received},"bytes":{session.sent},'
            f'"ms":{(asyncio.get_running_loop().time() - session.started) * 1000:.2f},'
            f'"source":"{request.source.address}","token":"{request.token_id}",'
            f'"request_id":"{request.request_id}"}}\n'
        )

    def flush(self) -> None:
        """Write what has gathered."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            for start in range(0, len(lines), _LINES_A_WRITE):
                data = "".join(lines[start : start + _LINES_A_WRITE]).encode()
                while data:
                    data = data[os.write(sys.stdout.fileno(), data) :]
        except OSError:
            # Whoever read our output is gone, or its file system full. Serving goes on; nobody can be told.
            self.enabled = False
