"""`scan`: run every check, take off what is accepted, print the rest. Exit code 0 only when all passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from stack.errors import FAILED, OK, ToolError
from stack.scan import accepted
from stack.scan.checks import CHECKS
from stack.scan.result import Check, Result, State, Target
from stack.terminal import Terminal

_STYLES = {"passed": "green", "failed": "bold red", "not-checked": "yellow"}


def run(target: Target, offline: bool, as_json: bool, checks: Sequence[Check] = CHECKS) -> int:
    """Scan; return the exit code. Raises a ToolError (exit code 2) when accepted.toml is wrong."""
    today = datetime.now(UTC).date()
    entries = accepted.load(target.root, [check.name for check in checks])
    left_out = [check for check in checks if offline and check.needs_network]
    results, used = [], set()
    for check in checks:
        if check in left_out:
            continue
        target.terminal.say(f"Scanning {check.looks_at}")
        try:
            findings = check.run(target)
        except ToolError as error:
            detail = f"{error.message} {error.hint}".strip()
            results.append(Result(check.name, "not-checked", detail=detail))
            continue
        remaining, covering = accepted.left(check.name, findings, entries, today)
        used |= covering
        state: State = "failed" if remaining else "passed"
        count = len(findings) - len(remaining)
        results.append(Result(check.name, state, tuple(remaining), accepted=count))
    # Another image than the working tree's says nothing of what is accepted for that one.
    judged = {one.name for one in results if one.state != "not-checked"} - (
        {"image"} if target.image else set()
    )
    stale = tuple(accepted.stale(entries, used, judged, today))
    if entries:
        results.append(Result("accepted", "failed" if stale else "passed", stale))
    _show(target.terminal, results, left_out, as_json)
    return OK if all(result.state == "passed" for result in results) else FAILED


def _show(terminal: Terminal, results: list[Result], left_out: list[Check], as_json: bool) -> None:
    if as_json:
        checks: list[dict[str, Any]] = [asdict(result) for result in results]
        terminal.json({"checks": checks, "left_out": [check.name for check in left_out]})
        return
    table = Table("check", "state", "findings", "accepted")
    for result in results:
        count = str(len(result.findings)) if result.state != "not-checked" else "-"
        table.add_row(result.name, result.state, count, str(result.accepted), style=_STYLES[result.state])
    terminal.table(table)
    for check in left_out:
        terminal.result(f"{check.name} was left out: it needs the network (OFFLINE=1)")
    for result in results:
        if result.detail:
            terminal.result(f"{result.name} was not checked: {result.detail}")
        for finding in result.findings:
            terminal.result(f"{result.name}: {finding.where}: {finding.what}")
            terminal.result(f"  rule: {finding.rule}; why: {finding.why}; next: {finding.next}")
