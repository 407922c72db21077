"""What the local cloud takes: seconds to create an environment, memory with it, and processor time at rest.

    python -m bench.localcloud [--rest 60] [--runtime process] [--runtime container]

Creates the environment `local` in a copy of this working tree, on ports of its own, and deletes it again. The
image of containers is built before the time is taken. Needs Linux, whose tables of processes it reads.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.e2e.checkout import ROOT, Checkout


def processor_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(runtime: str, rest: float) -> tuple[float, float, float]:
    """Seconds of `make create`, megabytes then, and seconds of processor time a minute at rest."""
    with tempfile.TemporaryDirectory(prefix="bench-localcloud-") as folder:
        checkout = Checkout(Path(folder), engine=runtime == "container")
        if runtime == "container":
            checkout.succeed(f"{ROOT}/.venv/bin/python -m stack image")
        try:
            began = time.perf_counter()
            checkout.succeed(f"make create ENV=local RUNTIME={runtime}")
            seconds = time.perf_counter() - began
            pid = int((checkout.root / ".state/localcloud/localcloud.lock").read_text())
            time.sleep(10)  # What follows the creation: first health checks, first metrics.
            before, at = processor_seconds(pid), time.perf_counter()
            time.sleep(rest)
            used = (processor_seconds(pid) - before) / (time.perf_counter() - at) * 60
            return seconds, _megabytes(pid), used
        finally:
            checkout.run("make local-reset YES=1")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.localcloud", description=__doc__.splitlines()[0])
    parser.add_argument("--rest", type=float, default=60.0, help="seconds of rest that are measured (60)")
    parser.add_argument(
        "--runtime", action="append", choices=["process", "container"], help="may be repeated (both)"
    )
    options = parser.parse_args()
    print(f"{'tasks':12} {'create, s':>10} {'memory, MB':>11} {'processor at rest, s a minute':>30}")
    for runtime in options.runtime or ["process", "container"]:
        seconds, megabytes, used = measure(runtime, options.rest)
        print(f"{runtime:12} {seconds:10.1f} {megabytes:11.0f} {used:30.2f}", flush=True)


if __name__ == "__main__":
    main()
