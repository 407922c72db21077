"""What containers write, sent to CloudWatch Logs as the awslogs driver sends it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from localcloud import emulator

log = logging.getLogger("localcloud.ecs")

#: Lines wait this long for others; one call then takes them all.
_GATHER_SECONDS = 0.1
#: A longer line becomes several events, as with the driver.
_LINE_LIMIT = 256 * 1024 - 26


class LogStream:
    """Receives bytes, splits them into lines, and delivers these in batches, calling `wrote` after each.

    Without a configuration it discards everything.
    """

    def __init__(
        self, config: dict[str, Any] | None, account: str, region: str, wrote: Callable[[], None]
    ) -> None:
        self._config, self._wrote = config, wrote
        self._account, self._region = account, region
        self._rest = b""
        self._lines: list[tuple[int, str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Take output; called on the event loop."""
        if self._config is None:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > _LINE_LIMIT:
            lines.append(self._rest[:_LINE_LIMIT])
            self._rest = self._rest[_LINE_LIMIT:]
        now = int(time.time() * 1000)
        self._lines += [(now, line.decode("utf-8", "replace")) for line in lines if line]
        if self._lines and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.flush)

    def close(self) -> None:
        """Deliver what is left, the unfinished line too."""
        if self._rest:
            self.write(b"\n")
        self.flush()

    def flush(self) -> None:
        """Deliver the lines so far."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if not lines or self._config is None:
            return
        responses, cloudwatch = emulator.module("core.responses"), emulator.module("services.cloudwatch_logs")
        with responses.request_scope(self._account, self._config.get("region") or self._region):
            status, _, body = cloudwatch._put_log_events(
                {
                    "logGroupName": self._config["group"],
                    "logStreamName": self._config["stream"],
                    "logEvents": [{"timestamp": at, "message": line} for at, line in lines],
                }
            )
        self._wrote()
        if status >= 400:
            log.warning("%d log lines of %s were refused: %s", len(lines), self._config["stream"], body)
