"""Metric math as the documentation of CloudWatch has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from localcloud.metrics.expression import Scope, evaluate_all, parse
from localcloud.metrics.functions import ExpressionError

_A = {0: 1.0, 1: 4.0, 3: 9.0}
_B = {1: 2.0, 2: 5.0, 3: 0.0}


def _value(text: str) -> Any:
    return parse(text).evaluate(Scope({"a": _A, "b": _B, "none": {}}, ["a", "b"], 0, 4, 60))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Where one side has no data there is no result, nor where there is nothing to divide by.
        ("a + b", {1: 6.0, 3: 9.0}),
        ("a / b", {1: 2.0}),
        ("-a * 2", {0: -2.0, 1: -8.0, 3: -18.0}),
        ("2 + 3 * 2 ^ 2", 14.0),
        ("(2 + 3) * 2", 10.0),
        ("a > 3", {0: 0.0, 1: 1.0, 3: 1.0}),
        ("a > 3 AND b < 1", {1: 0.0, 3: 1.0}),
        ("a > 3 || b < 1", {1: 1.0, 3: 1.0}),
        # An array's functions take what data there is.
        ("SUM([a, b])", {0: 1.0, 1: 6.0, 2: 5.0, 3: 9.0}),
        ("MAX([a, b])", {0: 1.0, 1: 4.0, 2: 5.0, 3: 9.0}),
        ("MIN(METRICS())", {0: 1.0, 1: 2.0, 2: 5.0, 3: 0.0}),
        ("AVG(METRICS('b'))", {1: 2.0, 2: 5.0, 3: 0.0}),
        # A series' functions give a number.
        ("SUM(a)", 14.0),
        ("a - MIN(a)", {0: 0.0, 1: 3.0, 3: 8.0}),
        ("FILL(a, 0)", {0: 1.0, 1: 4.0, 2: 0.0, 3: 9.0}),
        ("FILL(b, REPEAT)", {1: 2.0, 2: 5.0, 3: 0.0}),
        ("FILL(a, LINEAR)", {0: 1.0, 1: 4.0, 2: 6.5, 3: 9.0}),
        ("FILL(a, b)", {0: 1.0, 1: 4.0, 2: 5.0, 3: 9.0}),
        ("FILL(none, 7)", {0: 7.0, 1: 7.0, 2: 7.0, 3: 7.0}),
        ("SUM([FILL(a, 0), FILL(none, 0)])", {0: 1.0, 1: 4.0, 2: 0.0, 3: 9.0}),
        # Only what is chosen needs data.
        ("IF(FILL(a, 0) > 3, 100 * a / b, 0)", {0: 0.0, 1: 200.0, 2: 0.0}),
        ("IF(a > 3, a)", {1: 4.0, 3: 9.0}),
        ("DIFF(a)", {1: 3.0, 3: 5.0}),
        ("RATE(a)", {1: 0.05, 3: pytest.approx(5 / 120)}),
        ("RUNNING_SUM(b)", {1: 2.0, 2: 7.0, 3: 7.0}),
        ("a / PERIOD(a) * 60", _A),
        ("TIME_SERIES(2)", {0: 2.0, 1: 2.0, 2: 2.0, 3: 2.0}),
        ("CEIL(a / 2)", {0: 1.0, 1: 2.0, 3: 5.0}),
    ],
)
def test_a_value(text: str, expected: Any) -> None:
    assert _value(text) == expected


def test_arrays_are_sorted_and_cut() -> None:
    series = "[a, b, FILL(none, 5), none]"
    five = dict.fromkeys(range(4), 5.0)
    assert _value(f"SORT({series}, SUM, DESC)") == [five, _A, _B, {}]
    assert _value(f"SORT({series}, MIN, ASC, 2)") == [_B, _A]
    assert _value(f"SLICE({series}, 1, 3)") == [_B, five]
    assert _value(f"SUM(SLICE({series}, 2))") == five
    for text in (
        "SORT(a, SUM, ASC)",
        "SLICE(a, 1)",
        f"SLICE({series}, 0 - 1)",
        f"SORT({series}, SUM, ASC, 1.5)",
    ):
        with pytest.raises(ExpressionError):
            _value(text)


@pytest.mark.parametrize("text", ["SERVICE_QUOTA(a)", "ANOMALY_DETECTION_BAND(a, 2)", "NOPE(a)"])
def test_a_function_that_is_not_here_is_named(text: str) -> None:
    with pytest.raises(ExpressionError, match=text.partition("(")[0]):
        parse(text)


@pytest.mark.parametrize("text", ["", "a +", "a b", "(a", "SUM(a", "IF(a)", "A", "'a'", "a $ b", "FILL(a)",
                                  "SORT([a])", "SORT([a], P99, ASC)", "SORT([a], SUM, UP)"])  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_expressions_on_expressions() -> None:
    queries: list[dict[str, Any]] = [
        {"Id": "twice", "Expression": "once * 2"},
        {"Id": "once", "Expression": "m + 1"},
        {"Id": "m", "MetricStat": {"Stat": "Sum"}},
    ]
    found = evaluate_all(queries, lambda _: {5: 1.0}, 60, 0, 9)
    assert found == {"m": {5: 1.0}, "once": {5: 2.0}, "twice": {5: 4.0}}


def test_expressions_in_a_circle() -> None:
    queries = [{"Id": "x", "Expression": "y"}, {"Id": "y", "Expression": "x"}]
    with pytest.raises(ExpressionError, match="circle"):
        evaluate_all(queries, lambda _: {}, 60, 0, 9)


def test_the_page_lists_the_functions() -> None:
    page = (Path(__file__).parents[3] / "docs" / "local-cloud.md").read_text()
    listed = page.partition("of metric math there are")[2].partition("All else")[0]
    with pytest.raises(ExpressionError) as refused:
        parse("NOPE(a)")
    here = str(refused.value).partition("it has ")[2].split(", ")
    assert re.findall(r"`(\w+)`", listed) == here
