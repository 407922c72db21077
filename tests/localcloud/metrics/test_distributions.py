"""Statistics of one period's values."""

from __future__ import annotations

import random
import statistics

import pytest

from localcloud.metrics.distribution import Distribution, merged, percentage


def test_the_statistics() -> None:
    found = Distribution()
    for value in (3.0, 1.0, 2.0, 2.0):
        found.add(value)
    names = ("SampleCount", "Sum", "Average", "Minimum", "Maximum", "p0", "p50", "p100")
    assert [found.statistic(name) for name in names] == [4, 8, 2, 1, 3, 1, 2, 3]
    assert found.statistic("p75") == 2.25


def test_nothing_has_no_statistics() -> None:
    assert Distribution().statistic("Sum") is None
    assert Distribution().statistic("p99") is None


def test_a_statistic_that_is_none() -> None:
    found = Distribution()
    found.add(1)
    with pytest.raises(KeyError):
        found.statistic("tm99")
    assert [percentage(name) for name in ("p99.9", "p101", "Sum", "px", "")] == [99.9, None, None, None, None]


def test_a_statistic_set_has_percentiles_only_of_equal_values() -> None:
    found = Distribution()
    found.add_set(3, 6, 2, 2)
    assert found.statistic("p90") == 2
    found.add_set(2, 3, 1, 2)
    assert found.statistic("p90") is None
    assert found.statistic("Average") == 9 / 5


def test_many_values_are_kept_to_one_percent() -> None:
    values = [random.Random(number).lognormvariate(-5, 1) for number in range(5000)]
    found, halves = Distribution(), [Distribution(), Distribution()]
    for number, value in enumerate(values):
        found.add(value)
        halves[number % 2].add(value)
    exact = statistics.quantiles(values, n=100, method="inclusive")
    for together in (found, merged(halves)):
        assert together.values is not None
        assert len(together.values) < 1200
        assert together.statistic("Sum") == pytest.approx(sum(values))
        assert (together.statistic("Minimum"), together.statistic("Maximum")) == (min(values), max(values))
        for percent in (50, 90, 99):
            assert together.statistic(f"p{percent}") == pytest.approx(exact[percent - 1], rel=0.02)
