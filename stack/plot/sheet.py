"""What a picture shows, as plain data that JSON takes; and how it becomes a PNG."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from stack.errors import ToolError

_SECONDS = 120
_DRAW = Path(__file__).with_name("draw.py")


@dataclass(frozen=True)
class Series:
    """A line: x (seconds) and y of its points, in the order of time; `right` for the axis on the right.

    A y of None breaks the line.
    """

    label: str
    points: list[tuple[float, float | None]]
    right: bool = False


@dataclass(frozen=True)
class Mark:
    """A level worth knowing, as a horizontal line."""

    label: str
    value: float


@dataclass(frozen=True)
class Event:
    """Something that went on from `begin` to `end` (seconds; None: still), marked in every panel of lines."""

    label: str
    begin: float
    end: float | None
    failed: bool = False


@dataclass
class Panel:
    """One field of a sheet, in grid units from the top left.

    `lines` draws series over time, `numbers` the last value of each, `text` the lines of `text`.
    """

    title: str
    x: int
    y: int
    width: int
    height: int
    view: Literal["lines", "numbers", "text"]
    series: list[Series] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


@dataclass
class Sheet:
    """A picture: `columns` grid units wide; `clock` for x as UTC time of day, else seconds since a start.

    `span` is the first and last x of every panel, so that what happened at one time stands at one place;
    without it each panel shows where it has points. `events` need a span; `legend` says what they look like:
    the words for one that begins, ends, and fails.
    """

    title: str
    columns: int
    panels: list[Panel]
    clock: bool = True
    span: tuple[float, float] | None = None
    events: list[Event] = field(default_factory=list)
    legend: tuple[str, str, str] = ("begins", "ends", "fails")


def check(python: Path) -> None:
    """Raise a ToolError where there is no Python that draws."""
    if not python.exists():
        raise ToolError(
            f"There is no {python}, which draws pictures.",
            "Run the command by make, which installs it: make dashboard PNG=..., make drill REPORT=...",
        )


def draw(sheet: Sheet, python: Path, file: Path) -> None:
    """Draw a sheet into a PNG file with the Python that has matplotlib. Raises a ToolError."""
    check(python)
    try:
        done = subprocess.run(
            [python, _DRAW, file],
            input=json.dumps(asdict(sheet)),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{file} could not be drawn: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ToolError(f"{file} could not be drawn: {said[-1]}")
