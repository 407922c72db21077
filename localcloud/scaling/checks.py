"""What AWS refuses of a scaling policy."""

from __future__ import annotations

import math
from itertools import pairwise

from localcloud.scaling import alarms
from localcloud.scaling.records import Record, ScalingError

_ADJUSTMENTS = ("ChangeInCapacity", "PercentChangeInCapacity", "ExactCapacity")


def policy(record: Record) -> None:
    """Refuse a policy that could not act. Raises ScalingError."""
    kind = record["PolicyType"]
    if kind == "TargetTrackingScaling":
        alarms.metric(record)
    elif kind == "StepScaling":
        _steps(record.get("StepScalingPolicyConfiguration") or {})
    else:
        raise ScalingError(
            "ValidationException",
            f"PolicyType {kind}: the local cloud has StepScaling and TargetTrackingScaling",
        )


def _steps(config: Record) -> None:
    steps = config.get("StepAdjustments") or []
    if config.get("AdjustmentType") not in _ADJUSTMENTS or not steps:
        raise ScalingError(
            "ValidationException",
            "a step scaling policy needs StepAdjustments, and as AdjustmentType one of "
            f"{', '.join(_ADJUSTMENTS)}",
        )
    intervals = sorted(
        (
            float(step.get("MetricIntervalLowerBound", -math.inf)),
            float(step.get("MetricIntervalUpperBound", math.inf)),
        )
        for step in steps
    )
    for low, high in intervals:
        if low >= high or (low, high) == (-math.inf, math.inf):
            raise ScalingError(
                "ValidationException",
                f"a step adjustment needs a lower bound below its upper bound, not {low:g} to {high:g}",
            )
    for (_, end), (begin, _) in pairwise(intervals):
        if end != begin:
            raise ScalingError(
                "ValidationException",
                "step adjustments must neither overlap nor leave a gap: one ends at "
                f"{end:g}, the next begins at {begin:g}",
            )
