"""What a case found, and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.recovery.writer import Write

BEGIN = "<!-- printed by python -m bench.recovery -->"
END = "<!-- end of what python -m bench.recovery prints -->"


@dataclass(frozen=True)
class Result:
    """One loss: seconds until an old token was taken again, and what became of the writes before it.

    `lost_at` is the moment of the loss and `after` the number of writes since then that are lost too. `steps`
    are the parts of the time, in seconds.
    """

    case: str
    what: str
    seconds: float
    lost_at: float
    written: Sequence[Write]
    known: Sequence[Write]
    after: int
    steps: Sequence[tuple[str, float]]

    @property
    def point(self) -> float:
        """Seconds between the newest write that is known afterwards and the loss."""
        return self.lost_at - max(one.at for one in self.known)


def table(results: Sequence[Result]) -> str:
    """Markdown: a row for each loss."""
    lines = [
        BEGIN,
        "| what was lost | recovery time | recovery point | writes lost | steps |",
        "|---|---|---|---|---|",
    ]
    for one in results:
        steps = ", ".join(f"{words} {seconds:.1f} s" for words, seconds in one.steps)
        missing = len(one.written) - len(one.known)
        lost = f"{missing} of {len(one.written)}" + (f", and {one.after} after it" if one.after else "")
        point = f"{one.point:.1f} s before the loss" if missing else "the loss"
        lines.append(f"| {one.what} | {one.seconds:.1f} s | {point} | {lost} | {steps} |")
    return "\n".join([*lines, END])
