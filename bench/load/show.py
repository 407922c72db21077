"""What the operator sees of a load: a line that changes while it runs, or lines in a log; then the result."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from rich.status import Status
from rich.table import Table

from stack.terminal import Terminal

# Seconds between the lines of a log.
_EVERY = 5.0
_REASONS = 10


class Live:
    """The live view of one run of so many `seconds`."""

    def __init__(self, terminal: Terminal, seconds: float) -> None:
        self._terminal = terminal
        self._seconds = seconds
        self._status = Status("starting", console=terminal.err) if terminal.live else None
        self._next = 0.0

    def __enter__(self) -> Live:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def follow(self, lines: Iterable[str]) -> dict[str, Any] | None:
        """Show what the driver tells; its result, or None if it ended without one."""
        for line in lines:
            event: dict[str, Any] = json.loads(line)
            if "result" in event:
                result: dict[str, Any] = event["result"]
                return result
            self._show(event)
        return None

    def _show(self, view: dict[str, Any]) -> None:
        words = (
            f"{view['at']:.0f} of {self._seconds:g} s   {view['rate']:g}/s   p50 {view['p50']:g}   "
            f"p95 {view['p95']:g}   p99 {view['p99']:g} ms   {view['failures']} failed"
        )
        if self._status:
            self._status.update(words)
        elif view["at"] >= self._next:
            self._terminal.say(words)
            self._next = view["at"] + _EVERY


def result(terminal: Terminal, found: dict[str, Any]) -> None:
    """Print a result for people."""
    table = Table(pad_edge=False)
    for heading in ("Request", "Count", "Failed", "p50 ms", "p95 ms", "p99 ms", "longest"):
        table.add_column(heading, overflow="fold", justify="left" if heading == "Request" else "right")
    total = {"request": "all", "failures": found["failed"] + found["different"]}
    for one in (*found["by_request"], found | total):
        latency = (f"{one['latency_ms'][key]:.0f}" for key in ("p50", "p95", "p99", "longest"))
        table.add_row(one["request"], str(one["requests"]), str(one["failures"]), *latency)
    terminal.table(table)
    for reason, count in list(found["reasons"].items())[:_REASONS]:
        terminal.say(f"{count} times: {reason}")
    if not found["interrupted"] and found["requests"] < 0.95 * found["planned"]:
        terminal.notice(
            f"only {found['requests']} of {found['planned']} requests were sent in time: the service, or "
            "this machine, was too slow for the rate."
        )
    for one in found["objectives"]:
        kept = "kept" if one["kept"] else "BROKEN"
        terminal.result(
            f"{one['name']}: {kept}: {one['measured']:g} %, the objective is {one['objective']}",
            "" if one["kept"] else "bold red",
        )
    if found["interrupted"]:
        terminal.say("Interrupted; this is about the time until then.")
    terminal.result(f"Report: {found['report']}")
