"""What drills have shown, as data: for scripts, and for the page and the plots that are made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stack.drill.drill import Result

FILE = "drills.json"


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


def write(folder: Path, environment: str, results: list[Result]) -> Path:
    """Write `drills.json` into a folder, which is made if it is missing; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    file.write_text(json.dumps(as_data(environment, results), indent=1) + "\n", encoding="utf-8")
    return file
