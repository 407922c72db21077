"""What drills have shown: as data for scripts, as a page, and as a picture."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack.drill.drill import Result
from stack.errors import usage
from stack.plot import drills, sheet

_GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"


@dataclass(frozen=True)
class Report:
    """Where the report goes, and the Python that draws its picture."""

    folder: Path
    python: Path


def as_data(environment: str, results: list[Result]) -> dict[str, Any]:
    """The results as JSON takes them; `seen` and `series` in seconds since the drill began."""
    return {
        "environment": environment,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "drills": [
            {
                "name": one.drill.name,
                "breaks": one.drill.breaks,
                "expects": one.drill.expects,
                "outcome": one.outcome,
                "why": one.why,
                "seconds": one.seconds,
                "seen": [{"after": seen.after, "what": seen.what} for seen in one.seen],
                "series": {
                    name: [[round(after, 1), round(value, 2)] for after, value in points]
                    for name, points in one.series.items()
                },
            }
            for one in results
        ],
    }


def prepare(wanted: Report) -> None:
    """Make the folder. Raises a ToolError now, not after two hours, where nothing can be written or drawn."""
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise usage(f"{wanted.folder} cannot be made: {error}", "REPORT= has to name a folder.") from error
    sheet.check(wanted.python)


def write(wanted: Report, environment: str, results: list[Result]) -> list[Path]:
    """Write the three files into a folder that is there; returns them.

    The data comes first: where the picture cannot be drawn (a ToolError), what was measured is not lost.
    """
    data = as_data(environment, results)
    files = [wanted.folder / f"drills.{kind}" for kind in ("json", "md", "png")]
    files[0].write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    guide = os.path.relpath(_GUIDE, wanted.folder)
    files[1].write_text(drills.page(data, str(wanted.folder), files[2].name, guide), encoding="utf-8")
    sheet.draw(drills.sheet(data), wanted.python, files[2])
    return files
