"""The service level objectives as a client sees them, and who kept them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# These two are what the objectives are about, in every environment; the goals are the environment's.
LATENCY_PERCENT = 99.0
CORRECTNESS_PERCENT = 100.0


@dataclass(frozen=True)
class Verdict:
    """One objective of a run: what it asks for, what was measured (percent), and whether that is enough."""

    name: str
    objective: str
    measured: float
    kept: bool


def judge(counts: Mapping[str, int], availability_percent: float, slow_ms: float) -> list[Verdict]:
    """Hold a run to the objectives.

    `counts`: `requests`, and of these `failed`, `different`, `slow` (`slow_ms` or longer). Without requests
    nothing is kept.
    """
    asked = (
        ("availability", availability_percent, "of requests answered as they should be", "failed"),
        ("latency", LATENCY_PERCENT, f"of requests answered within {slow_ms:g} ms", "slow"),
        ("correctness", CORRECTNESS_PERCENT, "of echoes equal to what was sent", "different"),
    )
    verdicts = []
    for name, percent, words, bad in asked:
        good = counts["requests"] - counts[bad]
        measured = 100 * good / counts["requests"] if counts["requests"] else 0.0
        verdicts.append(Verdict(name, f"{percent:g} % {words}", round(measured, 4), measured >= percent))
    return verdicts
