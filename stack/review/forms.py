"""A review as people read it: a table on a terminal, or Markdown for a comment on a pull request."""

from __future__ import annotations

import html
from collections.abc import Sequence

from rich.table import Table

from stack.review.rows import UNCHANGED, Row
from stack.terminal import Terminal

_LONGEST = 300
# A comment on GitHub holds 65,536 characters; what stands around the table needs some of them.
_COMMENT = 60_000
_HEADINGS = (
    "Stack",
    "Action",
    "Resource",
    "Property",
    "Before -> after",
    "Replaced",
    "Policy action",
    "Cause",
)


def show(terminal: Terminal, found: Sequence[Row], full: bool = False) -> None:
    """Print the table; values in their whole length where `full`."""
    table = Table(show_lines=False, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Stack", "Action", "Replaced"))
    previous = ("", "")
    for row in found:
        first = (row.stack, row.logical_id) != previous
        previous = (row.stack, row.logical_id)
        style = "red" if row.action == "Remove" or row.replacement != "no" or row.loses else ""
        table.add_row(
            row.stack if first else "",
            row.action if first else "",
            f"{row.logical_id}\n{row.type}" if first else "",
            row.property,
            _values(row, full),
            row.replacement if first else "",
            row.policy_action if first else "",
            row.cause,
            style="dim" if row.cause == UNCHANGED else style,
        )
    terminal.table(table)


def _values(row: Row, full: bool) -> str:
    if row.cause == UNCHANGED:
        return _short(row.after, full)
    if not row.before and not row.after:
        return ""
    return f"{_short(row.before, full)} -> {_short(row.after, full)}"


def _short(value: str | None, full: bool) -> str:
    if value is None:
        return ""
    return value if full or len(value) <= _LONGEST else f"{value[:_LONGEST]}... ({len(value)} characters)"


def markdown(title: str, notes: Sequence[str], found: Sequence[Row], full: bool = False) -> str:
    """Write a review as Markdown: a heading, a table, and a list of what to heed."""
    lines = [f"### {_plain(title)}", ""]
    table: list[str] = []
    if found:
        table = [f"| {' | '.join(_HEADINGS)} |", "|" + "---|" * len(_HEADINGS)]
        table += [_line(row, full) for row in found]
    size = 0
    for number, line in enumerate(table):
        size += len(line) + 1
        if size > _COMMENT:
            left = len(table) - number
            lines += ["", f"{left} more rows do not fit into a comment: `make change` shows them."]
            break
        lines.append(line)
    if notes:
        lines += ["", *(f"- {_plain(note)}" for note in notes)]
    return "\n".join(lines)


def _line(row: Row, full: bool) -> str:
    replaced = f"**{row.replacement}**" if row.replacement != "no" else "no"
    action = f"**{row.action}**" if row.action == "Remove" else row.action
    cells = [
        _code(row.stack),
        action,
        f"{_code(row.logical_id)}<br>{_plain(row.type)}",
        _code(row.property),
        _code(_values(row, full)),
        replaced,
        row.policy_action,
        _plain(row.cause),
    ]
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown takes as it is: nothing in it can end a cell, open a tag or call somebody."""
    escaped = html.escape(text, quote=False).replace("|", "&#124;").replace("@", "&#64;")
    for mark in "\\`*_[]":
        escaped = escaped.replace(mark, f"&#{ord(mark)};")
    return "<br>".join(escaped.splitlines())


def _code(text: str) -> str:
    return f"<code>{_plain(text)}</code>" if text else ""
