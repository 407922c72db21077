"""What templates cannot say: how much an environment is used. Each assumption is an option of the command."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


def _assumed(default: float, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Usage:
    """A month's use. Sizes are in the unit each field names (KB and GB are 1000-based)."""

    requests: float = _assumed(1_000_000, "requests a month")
    request_kb: float = _assumed(1, "KB of a request, and as many of its answer")
    connection_requests: float = _assumed(10, "requests that come over one connection")
    log_bytes: float = _assumed(400, "bytes that a request adds to the service's log")
    refused: float = _assumed(1000, "requests a month that the web ACL refuses and writes down, 2 KB each")
    tasks: float = _assumed(0, "tasks on average, where more than the fewest; 0: the fewest")
    table_reads: float = _assumed(
        1_000_000, "reads of the table a month: a token in use, once a minute and task"
    )
    table_writes: float = _assumed(10_000, "writes to the table a month")
    table_gb: float = _assumed(0.01, "GB in the table")
    images_gb: float = _assumed(0.5, "GB of images that are kept")
    flow_log_gb: float = _assumed(0.5, "GB of flow logs a month, mostly of health checks")
    scheduled_minutes: float = _assumed(2, "minutes that a task runs which a schedule starts, as the probe's")
    custom_metrics: float = _assumed(
        20, "metrics that the service writes into its log; other containers: none"
    )

    @property
    def in_words(self) -> list[str]:
        """One line an assumption: option, value, meaning."""
        return [
            f"--{item.name.replace('_', '-')} {getattr(self, item.name):.10g}: {item.metadata['meaning']}"
            for item in fields(self)
        ]
