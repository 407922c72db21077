"""`python -m bench.recovery`: loses things on a local cloud of its own; prints what it took to be back."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.recovery import items, region, stacks
from bench.recovery.result import Result, table
from tests.e2e.checkout import Checkout

CASES: dict[str, Callable[[Checkout, float], Result]] = {
    "items": items.run,
    "stacks": stacks.run,
    "region": region.run,
}


def measure(case: str, seconds: float) -> Result:
    """Run one case in a copy of this working tree, on ports of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="bench-recovery-") as folder:
        place = Checkout(Path(folder), engine=False)
        try:
            return CASES[case](place, seconds)
        finally:
            place.run("make local-reset YES=1")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    options = argparse.ArgumentParser(
        prog="python -m bench.recovery",
        description="Loses items, stacks or a region while tokens are written all the time, gets them back "
        "as docs/operations.md says, and prints recovery times and what was lost as a Markdown table.",
        epilog="Each case makes what it needs on a local cloud of its own, with tasks as processes. Waiting "
        "times are AWS's, unless LOCAL_SPEED is set. All of it takes about three minutes.",
    )
    options.add_argument(
        "--case", action="append", choices=list(CASES), help="may be repeated; default: all of them"
    )
    options.add_argument(
        "--seconds", type=float, default=10.0, help="of writing before the loss; default: %(default)g"
    )
    return options


def main() -> None:
    """Measure and print."""
    options = parser().parse_args()
    found = []
    for case in options.case or CASES:
        print(f"Losing {case}", file=sys.stderr)
        found.append(measure(case, options.seconds))
    print(table(found))


if __name__ == "__main__":
    main()
