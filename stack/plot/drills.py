"""The report of drills: a page in Markdown with a picture, from drills.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stack.plot.sheet import Panel, Series, Sheet

_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 6
_RATES = ("requests a second", "failed a second")


def sheet(data: Mapping[str, Any]) -> Sheet:
    """A row of panels for each drill that has something to draw: traffic, response time, tasks and alarms."""
    panels: list[Panel] = []
    for drill in data["drills"]:
        if not drill["series"]:
            continue
        y = len(panels) // 3 * _HEIGHT
        groups = {
            "requests": [name for name in drill["series"] if name in _RATES],
            "p99 in ms": [name for name in drill["series"] if name == "p99 in ms"],
            "tasks and alarms": [
                name for name in drill["series"] if name == "running tasks" or name.startswith("alarm ")
            ],
        }
        for number, (title, names) in enumerate(groups.items()):
            series = [Series(name, [tuple(point) for point in drill["series"][name]]) for name in names]
            panels.append(
                Panel(f"{drill['name']}: {title}", number * _WIDTH, y, _WIDTH, _HEIGHT, "lines", series)
            )
    return Sheet(
        f"Drills on {data['environment']}, {data['at'][:10]}; seconds", _COLUMNS, panels, clock=False
    )


def page(data: Mapping[str, Any], folder: str, picture: str, guide: str) -> str:
    """The report in Markdown, for a `folder`; `picture` and `guide`, the operations page, are paths there."""
    environment = data["environment"]
    lines = [
        "# Drills",
        "",
        f"What happened when things were broken on purpose, on `{environment}`, {data['at'][:10]}. Made by",
        f"`make drill ENV={environment} REPORT={folder}`; [what each drill is]({guide}#drills).",
        "",
        "| drill | result | seconds |",
        "|---|---|---|",
        *(
            f"| [`{one['name']}`](#{one['name']}) | {one['outcome']} | {one['seconds']:.0f} |"
            for one in data["drills"]
        ),
        "",
        f"![Requests, response times, tasks and alarms during each drill]({picture})",
        "",
    ]
    for one in data["drills"]:
        lines += [f"## {one['name']}", "", f"Broken: {one['breaks']} Expected: {one['expects']}", ""]
        if one["why"]:
            lines += [f"{one['outcome']}: {one['why']}", ""]
        lines += ["| after | seen |", "|---|---|"]
        lines += [f"| {seen['after']:.1f} s | {seen['what']} |" for seen in one["seen"]]
        lines.append("")
    return "\n".join(lines)
