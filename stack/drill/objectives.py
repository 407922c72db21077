"""Drills that spend an error budget: slow answers, and failed ones."""

from __future__ import annotations

from stack.drill.drill import Drill
from stack.drill.stage import Stage

# Longer than the client's objective of 500 ms, for a share that burns the budget far faster than 14.4 times.
_SLOW, _SLOW_SHARE = "delay=0.7", 0.4
_FAILING, _FAILING_SHARE = "status=503", 0.2
# A five-minute window has to fill, then alarms are evaluated once a minute.
_MINUTES = 15.0


def latency(stage: Stage) -> None:
    """Make two in five answers slow until the latency page goes out; then wait until it is over."""
    _burn(stage, "LatencyPage", _SLOW, _SLOW_SHARE)


def errors(stage: Stage) -> None:
    """Make one in five requests fail until the availability page goes out; then wait until it is over."""
    _burn(stage, "AvailabilityPage", _FAILING, _FAILING_SHARE)


def _burn(stage: Stage, page: str, fault: str, share: float) -> None:
    stage.wait_for_alarm("slo", page, "OK", _MINUTES)
    with stage.sampled((("slo", page),)):
        with stage.traffic(fault=fault, share=share):
            stage.wait_for_alarm("slo", page, "ALARM", _MINUTES)
        with stage.traffic():
            stage.wait_for_alarm("slo", page, "OK", _MINUTES)
        stage.wait_for_service()


DRILLS = (
    Drill(
        "latency",
        "Two in five requests are answered 0.7 s late.",
        "The latency page goes out, and is over when answers are quick again.",
        latency,
        ("LatencyPage",),
    ),
    Drill(
        "errors",
        "One in five requests is answered 503.",
        "The availability page goes out, and is over when requests succeed again.",
        errors,
        ("AvailabilityPage",),
    ),
)
