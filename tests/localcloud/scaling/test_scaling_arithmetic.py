"""The arithmetic of scaling policies, by the examples of AWS's documentation."""

from __future__ import annotations

import pytest

from localcloud.scaling.arithmetic import Wish, adjusted, choose, step_adjustment, tracked_in, tracked_out

#: The example of "How step scaling works": an alarm at 50, in percent of the capacity.
OUT = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 0},
    {"MetricIntervalLowerBound": 10, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 10},
    {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 30},
]
IN = [
    {"MetricIntervalLowerBound": -10, "MetricIntervalUpperBound": 0, "ScalingAdjustment": 0},
    {"MetricIntervalLowerBound": -20, "MetricIntervalUpperBound": -10, "ScalingAdjustment": -10},
    {"MetricIntervalUpperBound": -20, "ScalingAdjustment": -30},
]


@pytest.mark.parametrize(
    ("value", "capacity", "becomes"),
    [(55, 10, 10), (60, 10, 11), (69.9, 10, 11), (70, 11, 14), (500, 10, 13)],
)
def test_a_breach_upwards_takes_the_step_whose_lower_bound_it_reaches(
    value: float, capacity: int, becomes: int
) -> None:
    found = step_adjustment(OUT, value - 50, above=True)
    assert found is not None
    assert adjusted(capacity, "PercentChangeInCapacity", found) == becomes


@pytest.mark.parametrize(
    ("value", "capacity", "becomes"), [(45, 14, 14), (40, 14, 13), (30, 13, 10), (0, 10, 7)]
)
def test_a_breach_downwards_takes_the_step_whose_upper_bound_it_reaches(
    value: float, capacity: int, becomes: int
) -> None:
    found = step_adjustment(IN, value - 50, above=False)
    assert found is not None
    assert adjusted(capacity, "PercentChangeInCapacity", found) == becomes


def test_a_breach_in_no_step_changes_nothing() -> None:
    assert step_adjustment(OUT, -1, above=True) is None
    assert step_adjustment(IN, 1, above=False) is None


@pytest.mark.parametrize(
    ("capacity", "percent", "change"),
    [(127, 10, 12), (67, 1, 1), (58, -1, -1), (667, -1, -6), (10, 0, 0), (10, 200, 20)],
)
def test_percentages_are_rounded_toward_zero_but_never_to_nothing(
    capacity: int, percent: int, change: int
) -> None:
    assert adjusted(capacity, "PercentChangeInCapacity", percent) == capacity + change


def test_a_percentage_changes_the_capacity_by_its_least_magnitude() -> None:
    assert adjusted(4, "PercentChangeInCapacity", 25, least=2) == 6
    assert adjusted(20, "PercentChangeInCapacity", 25, least=2) == 25
    assert adjusted(20, "PercentChangeInCapacity", -5, least=3) == 17
    # Only percentages have one.
    assert adjusted(4, "ChangeInCapacity", 1, least=2) == 5


def test_other_adjustments_are_counts_and_capacity_is_never_negative() -> None:
    assert adjusted(4, "ChangeInCapacity", 3) == 7
    assert adjusted(4, "ChangeInCapacity", -9) == 0
    assert adjusted(4, "ExactCapacity", 9) == 9
    assert adjusted(4, "PercentChangeInCapacity", -100) == 0


def test_target_tracking_scales_out_in_proportion() -> None:
    assert tracked_out(2, 120, 60) == 4
    assert tracked_out(10, 61, 60) == 11
    # 3 x 70 / 35 is not a hair more than 6.
    assert tracked_out(3, 70, 35) == 6
    assert tracked_out(4, 30, 60) == 4
    assert tracked_out(0, 120, 60) == 0


def test_target_tracking_scales_in_slowly_and_never_over_the_target() -> None:
    assert tracked_in(4, 0, 60) == 3
    assert tracked_in(40, 0, 60) == 36
    # Three tasks would be at 68.
    assert tracked_in(4, 51, 60) == 4
    assert tracked_in(40, 57, 60) == 38
    assert tracked_in(0, 0, 60) == 0


def test_the_policy_with_the_largest_capacity_counts() -> None:
    plus = Wish("plus", "", adjusted(10, "ChangeInCapacity", 3))
    double = Wish("double", "", adjusted(10, "PercentChangeInCapacity", 200))
    less = Wish("less", "", 5, scale_in=True)
    assert choose([plus, double, less], set()) == double
    assert choose([less], set()) == less
    assert choose([], set()) is None


def test_target_tracking_scales_in_only_if_all_its_policies_agree() -> None:
    one = Wish("one", "", 3, tracking=True, scale_in=True)
    other = Wish("other", "", 4, tracking=True, scale_in=True)
    steps = Wish("steps", "", 2, scale_in=True)
    assert choose([one], {"one", "other"}) is None
    assert choose([one, other], {"one", "other"}) == other
    # What has DisableScaleIn is not asked, and step scaling asks nobody.
    assert choose([one], {"one"}) == one
    assert choose([one, steps], {"one", "other"}) == steps
