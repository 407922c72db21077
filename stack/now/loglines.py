"""One line of a container's log, as people and scripts want to see it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# How gunicorn begins its lines: time, process, level.
_GUNICORN = re.compile(r"\[[^\]]+\] \[\d+\] \[(?P<level>[A-Z]+)\] (?P<rest>.*)", re.DOTALL)
# What every line of the service has, and a reader sees elsewhere or seldom wants; --raw has it all.
_ELSEWHERE = {"time", "timestamp", "event", "level", "message", "_aws"}
_SHORT_ID = 8
# From which HTTP status a line is about a failure of the service.
_SERVER_ERROR = 500
_CLIENT_ERROR = 400
_BAD_LEVELS = {"ERROR", "CRITICAL", "FATAL"}


@dataclass(frozen=True)
class Line:
    """A line as CloudWatch Logs has it; `timestamp` in ms since 1970, `stream` of the awslogs driver."""

    timestamp: int
    stream: str
    text: str

    @property
    def task(self) -> str:
        """The task's id: the driver's streams are prefix/container/task."""
        return self.stream.rsplit("/", 1)[-1]

    @property
    def time(self) -> datetime:
        """When it was written, UTC."""
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)

    @property
    def fields(self) -> dict[str, Any] | None:
        """The line's members where it is a JSON object, else None."""
        if not self.text.startswith("{"):
            return None
        try:
            found = json.loads(self.text)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def as_json(self) -> str:
        """Return the line as one JSON object, whose `message` is an object where the line is one."""
        return json.dumps(
            {
                "time": self.time.isoformat(timespec="milliseconds"),
                "task": self.task,
                "stream": self.stream,
                "message": self.fields or self.text,
            }
        )

    def pretty(self) -> tuple[str, str]:
        """Return the line for people (time, task, level or status, message) and its style."""
        kind, words = _read(self.fields, self.text)
        clock = self.time.strftime("%H:%M:%S.%f")[:-3]
        return f"{clock}  {self.task[:_SHORT_ID]}  {kind:<7}  {printable(words)}", _style(kind)


def _read(fields: Mapping[str, Any] | None, text: str) -> tuple[str, str]:
    if fields is None:
        found = _GUNICORN.fullmatch(text)
        return (found["level"], found["rest"]) if found else ("", text)
    if fields.get("event") == "request":
        return str(fields.get("status", "")), _request(fields)
    kind = str(fields.get("level") or fields.get("event") or "").removesuffix(":")
    rest = {
        key: value
        for key, value in fields.items()
        if key not in _ELSEWHERE and value not in ("", None) and not isinstance(value, dict | list)
    }
    if fields.get("event") == "metrics":
        rest = {key: value for key, value in rest.items() if value != 0}
    words = [str(fields["message"])] if fields.get("message") else []
    return kind, " ".join([*words, *(f"{key}={value}" for key, value in rest.items())])


def _request(fields: Mapping[str, Any]) -> str:
    words = f"{fields.get('method', '-')} {fields.get('path', '-')}  {fields.get('ms', '?')} ms"
    sizes = f"{fields.get('bytes_in', 0)} B in, {fields.get('bytes_out', 0)} B out"
    told = [f"from {fields['source']}" if fields.get("source") else ""]
    told += [f"{key} {fields[key]}" for key in ("token", "request_id") if fields.get(key)]
    return f"{words}, {sizes}, {', '.join(filter(None, told))}".rstrip(", ")


def _style(kind: str) -> str:
    if kind in _BAD_LEVELS or (kind.isdigit() and int(kind) >= _SERVER_ERROR):
        return "red"
    return "yellow" if kind == "WARNING" or (kind.isdigit() and int(kind) >= _CLIENT_ERROR) else ""


def printable(text: str) -> str:
    """Return what clients wrote so that it does not steer the terminal; tabs and line ends may stay."""
    return "".join(one if one.isprintable() or one in "\t\n" else repr(one)[1:-1] for one in text)
