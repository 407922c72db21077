"""Draws the sheet on standard input (JSON, see sheet.py) into the PNG file that the argument names.

Run by the Python of .venv-plot; it imports nothing of this project.
"""

import json
import sys
from datetime import UTC, datetime
from math import isnan, nan
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import EngFormatter, MaxNLocator

# Okabe and Ito's colours, which stay apart for colour-blind eyes; in an order that suits few lines best.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
MARKERS = "osD^v*"
UNIT = 0.62  # inches a grid unit
INK, FAINT = "#22272e", "#d0d7de"
EVENT, FAILED = "#8250df", "#cf222e"


def main() -> None:
    """Read, draw, write."""
    sheet = json.load(sys.stdin)
    plt.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "axes.edgecolor": FAINT,
            "text.color": INK,
            "text.parse_math": False,
        }
    )
    rows = max(panel["y"] + panel["height"] for panel in sheet["panels"])
    size = (sheet["columns"] * UNIT, rows * UNIT + 0.5)
    figure = plt.figure(figsize=size, dpi=100, facecolor="white")
    figure.text(
        0.15 / size[0], 1 - 0.3 / size[1], sheet["title"], fontsize=13, fontweight="bold", va="center"
    )
    if sheet["events"]:
        key(figure, size, sheet["legend"])
    for panel in sheet["panels"]:
        box = (panel["x"] * UNIT, size[1] - 0.5 - (panel["y"] + panel["height"]) * UNIT)
        frame(figure, size, box, panel)
        inner(figure, size, box, panel, sheet)
    figure.savefig(sys.argv[1], metadata={"Software": None})


def key(figure: Any, size: tuple[float, float], words: list[str]) -> None:
    """What lines of events look like, in the sheet's upper right corner."""
    styles = ({"color": EVENT}, {"color": EVENT, "linestyle": ":"}, {"color": FAILED, "linestyle": "--"})
    handles = [
        plt.Line2D([], [], linewidth=1.2, label=word, **style)
        for word, style in zip(words, styles, strict=True)
    ]
    figure.legend(
        handles=handles, loc="center right", bbox_to_anchor=(1 - 0.05 / size[0], 1 - 0.3 / size[1]), ncols=3,
        fontsize=8, frameon=False, borderaxespad=0.0,
    )  # fmt: skip


def frame(figure: Any, size: tuple[float, float], box: tuple[float, float], panel: Any) -> None:
    """The panel's border and title."""
    width, height, gap = panel["width"] * UNIT, panel["height"] * UNIT, 0.05
    figure.add_artist(
        plt.Rectangle(
            ((box[0] + gap) / size[0], (box[1] + gap) / size[1]),
            (width - 2 * gap) / size[0],
            (height - 2 * gap) / size[1],
            fill=False, edgecolor=FAINT, linewidth=0.8, transform=figure.transFigure,
        )
    )  # fmt: skip
    longest = int(width / 0.078)
    title = panel["title"] if len(panel["title"]) <= longest else panel["title"][: longest - 1] + "…"
    where = ((box[0] + 0.14) / size[0], (box[1] + height - 0.2) / size[1])
    figure.text(*where, title, fontsize=8.5, fontweight="bold", va="center")


def inner(figure: Any, size: tuple[float, float], box: tuple[float, float], panel: Any, sheet: Any) -> None:
    """What the panel shows."""
    width, height = panel["width"] * UNIT, panel["height"] * UNIT
    if panel["view"] == "lines":
        # Room for numbers on both sides, the title above, times and the legend's rows below.
        rows = -(-(len(panel["series"]) + len(panel["marks"])) // columns(panel))
        left, bottom, right, top = 0.5, 0.33 + 0.13 * rows, 0.42, 0.42
        axes = figure.add_axes(
            (
                (box[0] + left) / size[0], (box[1] + bottom) / size[1],
                (width - left - right) / size[0], (height - bottom - top) / size[1],
            )
        )  # fmt: skip
        lines(axes, panel, sheet["clock"], sheet["span"])
        if sheet["span"]:
            events(axes, sheet["events"], sheet["clock"], sheet["span"])
        return
    axes = figure.add_axes(
        (
            (box[0] + 0.14) / size[0],
            (box[1] + 0.1) / size[1],
            (width - 0.28) / size[0],
            (height - 0.5) / size[1],
        )
    )
    axes.axis("off")
    if panel["view"] == "numbers":
        numbers(axes, panel)
    else:
        axes.text(0, 1, "\n".join(panel["text"]), va="top", family="DejaVu Sans Mono", fontsize=7)


def lines(axes: Any, panel: Any, clock: bool, span: list[float] | None) -> None:
    """Series over time, a legend beneath, levels dashed."""
    other = axes.twinx() if any(one["right"] for one in panel["series"]) else None
    drawn = []
    dots = 0
    for number, one in enumerate(panel["series"]):
        times = [moment(x, clock) for x, _ in one["points"]]
        values = [nan if y is None else y for _, y in one["points"]]
        target = other if one["right"] and other is not None else axes
        style: dict[str, Any] = {"linewidth": 1.3, "linestyle": "-" if number < len(COLOURS) else "-."}
        if single := alone(values):
            style |= {"marker": "o", "markevery": single}
        if one["right"]:
            style = {"linestyle": "none", "marker": MARKERS[dots % len(MARKERS)]}
            dots += 1
        colour = COLOURS[number % len(COLOURS)]
        drawn += target.plot(times, values, color=colour, markersize=3, label=one["label"], **style)
    for mark in panel["marks"]:
        label = f"{mark['label']} ({mark['value']:,g})"
        drawn.append(axes.axhline(mark["value"], color="#cf222e", linewidth=0.9, linestyle="--", label=label))
    for one in (axes, other):
        if one is None:
            continue
        values = [value for line in one.get_lines() for value in line.get_ydata() if not isnan(value)]
        # What is all zero would stand in the middle of an axis of fractions.
        one.set_ylim(bottom=min(0, *values, 0), top=None if any(value > 0 for value in values) else 1)
        one.yaxis.set_major_locator(MaxNLocator(6, integer=all(value == int(value) for value in values)))
        if max(values, default=0) >= 1000:
            one.yaxis.set_major_formatter(EngFormatter(sep=""))
        one.tick_params(labelsize=7, colors="#57606a", length=2)
        for side in ("top", *(("right",) if one is axes else ("left",))):
            one.spines[side].set_visible(False)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    if span:
        axes.set_xlim(*(moment(x, clock) for x in span))
    if not any(one["points"] for one in panel["series"]):
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color="#57606a")
        axes.set_xticks([])
    elif clock:
        locator = AutoDateLocator(maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    if drawn:
        # Beneath the times, whatever the panel's height.
        below = -0.24 / (axes.get_position().height * axes.figure.get_figheight())
        axes.legend(
            handles=drawn, loc="upper left", bbox_to_anchor=(-0.03, below), ncols=columns(panel),
            fontsize=6.5, frameon=False, handlelength=1.2, columnspacing=1.0, borderaxespad=0.0,
            labelspacing=0.2,
        )  # fmt: skip


def moment(x: float, clock: bool) -> Any:
    """An x as the axis takes it."""
    return datetime.fromtimestamp(x, UTC) if clock else x


def events(axes: Any, found: list[Any], clock: bool, span: list[float]) -> None:
    """A line with its name where each event began, and one where it ended; what failed in red, dashed."""
    place = axes.get_position()
    width, height = place.width * axes.figure.get_figwidth(), place.height * axes.figure.get_figheight()
    level, before = 0.0, -1.0
    for one in found:
        begin, end = max(one["begin"], span[0]), one["end"]
        colour = FAILED if one["failed"] else EVENT
        stopped = span[1] if end is None else end
        axes.axvspan(moment(begin, clock), moment(stopped, clock), color=colour, alpha=0.08, linewidth=0)
        style = {"color": colour, "linewidth": 0.9, "zorder": 1}
        if begin == one["begin"]:
            axes.axvline(moment(begin, clock), linestyle="--" if one["failed"] else "-", **style)
        if end is not None:
            axes.axvline(moment(end, clock), linestyle=":", **style)
        # Names that would stand on each other begin lower, as long as there is room.
        at = (begin - span[0]) / (span[1] - span[0]) * width
        long = 0.045 * len(one["label"]) + 0.08
        level = level + long if at - before < 0.12 and level + 2 * long < height else 0.0
        before = at
        # Left of its line, where the end of what is short does not run through it.
        side = {"ha": "right", "xytext": (-1.5, -2)} if at > 0.12 else {"ha": "left", "xytext": (1.5, -2)}
        axes.annotate(
            one["label"], (moment(begin, clock), 1 - level / height), xycoords=("data", "axes fraction"),
            textcoords="offset points", rotation=90, va="top", fontsize=5.5, color=colour, **side,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.3},
        )  # fmt: skip


def alone(values: list[float]) -> list[int]:
    """The numbers of the points that no line leads to."""
    known = [False, *(not isnan(value) for value in values), False]
    return [at for at in range(len(values)) if known[at + 1] and not known[at] and not known[at + 2]]


def columns(panel: Any) -> int:
    """How many columns the legend has."""
    return max(1, min(len(panel["series"]) + len(panel["marks"]), int(panel["width"] * UNIT / 1.5)))


def numbers(axes: Any, panel: Any) -> None:
    """The last value of each series, large, with its label close beneath."""
    shown = [one for one in panel["series"] if one["label"]]
    for number, one in enumerate(shown):
        x = (number + 0.5) / len(shown)
        if one["points"]:
            value = f"{one['points'][-1][1]:,.4g}"
            axes.text(x, 0.56, value, ha="center", va="center", fontsize=20, fontweight="bold")
        else:
            axes.text(x, 0.56, "no data", ha="center", va="center", fontsize=9, color="#57606a")
        axes.text(x, 0.32, one["label"], ha="center", va="center", fontsize=7.5, color="#57606a")


if __name__ == "__main__":
    main()
