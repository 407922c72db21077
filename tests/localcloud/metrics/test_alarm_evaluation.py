"""What state an alarm is in, by its datapoints; the tables are those of CloudWatch's user guide."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.metrics import definition, evaluation

#: What an alarm on queries does not have.
_NOT_SINGLE = dict.fromkeys(("Namespace", "MetricName", "Period", "Statistic"))
_STATES = {"A": "ALARM", "O": "OK", "I": "INSUFFICIENT_DATA", ".": None}


def _alarm(**more: Any) -> dict[str, Any]:
    return {
        "AlarmName": "a", "Namespace": "N", "MetricName": "m", "Period": 60, "Statistic": "Sum",
        "EvaluationPeriods": 3,
        "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold", **more,
    }  # fmt: skip


def _judged(monkeypatch: pytest.MonkeyPatch, points: str, **more: Any) -> evaluation.Verdict:
    """The verdict on datapoints, oldest first: 0 is within the threshold, X beyond, - missing."""
    values = {"0": 1.0, "X": 99.0, "-": None}
    monkeypatch.setattr(evaluation, "datapoints", lambda *_: [values[point] for point in points])
    return evaluation.judge(_alarm(**more), 1_000_000.0)


@pytest.mark.parametrize(
    ("points", "needed", "by_missing", "by_ignore", "by_breaching", "by_not_breaching"),
    [
        ("0-X-X", 3, "O", "O", "O", "O"),
        ("0----", 3, "O", "O", "O", "O"),
        ("-----", 3, "I", ".", "A", "O"),
        ("0XX-X", 3, "A", "A", "A", "A"),
        ("--X--", 3, "A", ".", "A", "O"),
        ("0-X-X", 2, "A", "A", "A", "A"),
        ("00X0X", 2, "A", "A", "A", "A"),
        ("0-X--", 2, "O", "O", "A", "O"),
        ("----0", 2, "O", "O", "A", "O"),
        ("---X-", 2, "A", ".", "A", "O"),
        # One that has only just begun to breach is not known to have done so for long.
        ("----X", 3, ".", ".", "A", "O"),
    ],
)
def test_missing_data(
    monkeypatch: pytest.MonkeyPatch, points: str, needed: int, by_missing: str, by_ignore: str,
    by_breaching: str, by_not_breaching: str,
) -> None:  # fmt: skip
    expected = {"missing": by_missing, "ignore": by_ignore, "breaching": by_breaching,
                "notBreaching": by_not_breaching}  # fmt: skip
    for treat, state in expected.items():
        verdict = _judged(monkeypatch, points, DatapointsToAlarm=needed, TreatMissingData=treat)
        assert verdict.state == _STATES[state], treat


@pytest.mark.parametrize(
    ("operator", "at_threshold", "above"),
    [("GreaterThanThreshold", "OK", "ALARM"), ("GreaterThanOrEqualToThreshold", "ALARM", "ALARM"),
     ("LessThanThreshold", "OK", "OK"), ("LessThanOrEqualToThreshold", "ALARM", "OK")],
)  # fmt: skip
def test_comparisons(monkeypatch: pytest.MonkeyPatch, operator: str, at_threshold: str, above: str) -> None:
    for threshold, state in ((99.0, at_threshold), (98.0, above)):
        verdict = _judged(monkeypatch, "XXX", ComparisonOperator=operator, Threshold=threshold)
        assert verdict.state == state


def test_the_reason_says_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = _judged(monkeypatch, "--0XX", DatapointsToAlarm=2)
    assert verdict.reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [1.0, 99.0, 99.0] were greater than the threshold "
        "(10.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert verdict.data["recentDatapoints"] == [1.0, 99.0, 99.0]
    assert verdict.data["threshold"] == 10.0
    assert (
        "1 missing datapoint was treated as [Breaching]"
        in _judged(monkeypatch, "---XX", TreatMissingData="breaching").reason
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "no ComparisonOperator GreaterThanUpper"),
        ({"TreatMissingData": "maybe"}, "maybe"),
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm"),
        ({"Statistic": "tm90"}, "no statistic tm90"),
        ({"Statistic": None}, "Exactly one of Statistic"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of Statistic"),
        ({"Period": 45}, "Invalid period 45"),
        ({"Threshold": None}, "Threshold is required"),
        ({"Metrics": [{"Id": "e", "Expression": "1"}]}, "must not be set if Metrics is"),
        ({"Statistic": None, "ExtendedStatistic": "p101"}, "no statistic p101"),
        ({**_NOT_SINGLE, "Metrics": [{"Id": "e", "Expression": "SEARCH('x', 'Sum')"}]}, "SEARCH is not sup"),
        ({**_NOT_SINGLE, "Metrics": [{"Id": "e", "Expression": "m1 + 1"}]}, "names m1"),
        (
            {**_NOT_SINGLE, "Metrics": [{"Id": "e", "Expression": "1"}, {"Id": "f", "Expression": "2"}]},
            "exactly one",
        ),
    ],
)
def test_what_could_not_be_evaluated_is_refused(more: dict[str, Any], problem: str) -> None:
    definition.check(_alarm())
    with pytest.raises(definition.AlarmError, match=problem):
        definition.check(_alarm(**more))


def test_the_window_slides_with_the_minutes_unless_it_is_a_wall_clock_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_SPEED", "1")
    hour, ten_past = 3600, 1_000 * 3600 + 600 + 59.0
    assert evaluation.window(_alarm(Period=hour), ten_past) == (1_000, 600)
    wall = {"WallClockWindow": {}}
    assert evaluation.window(_alarm(Period=hour, EvaluationWindow=wall), ten_past) == (1_000, 0)
    assert evaluation.window(_alarm(Period=60), ten_past) == (60_010, 0)
    with pytest.raises(definition.AlarmError, match="UTC"):
        definition.check(_alarm(EvaluationWindow={"WallClockWindow": {"Timezone": "Europe/Berlin"}}))
