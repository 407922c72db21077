"""When scheduled actions are due."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

from localcloud import emulator
from localcloud.scaling import schedule
from localcloud.scaling.records import ScalingError


@pytest.fixture(autouse=True)
def _emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "module", lambda name: importlib.import_module(f"ministack.{name}"))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def action(expression: str, **more: Any) -> dict[str, Any]:
    return {"Schedule": expression, "ScalableTargetAction": {"MinCapacity": 1}, **more}


def due(expression: str, after: str, **more: Any) -> str | None:
    found = schedule.next_due(action(expression, **more), at(after))
    return None if found is None else datetime.fromtimestamp(found, UTC).isoformat()[:16]


def test_cron_has_the_fields_and_signs_of_aws() -> None:
    assert due("cron(0 20 * * ? *)", "2026-03-01T19:59:59") == "2026-03-01T20:00"
    assert due("cron(0 20 * * ? *)", "2026-03-01T20:00:00") == "2026-03-02T20:00"
    assert due("cron(0 18 ? * MON-FRI *)", "2026-03-06T18:00:00") == "2026-03-09T18:00"
    assert due("cron(0/15 * * * ? *)", "2026-03-01T10:16:00") == "2026-03-01T10:30"
    assert due("cron(0 8 L * ? *)", "2026-02-02T00:00:00") == "2026-02-28T08:00"
    assert due("cron(0 8 1 1 ? 2020)", "2026-01-01T00:00:00") is None


def test_cron_and_at_go_by_their_time_zone() -> None:
    zone = {"Timezone": "Europe/Berlin"}
    assert due("cron(0 8 * * ? *)", "2026-01-10T00:00:00", **zone) == "2026-01-10T07:00"
    assert due("cron(0 8 * * ? *)", "2026-07-10T00:00:00", **zone) == "2026-07-10T06:00"
    assert due("at(2026-07-10T08:00:00)", "2026-07-10T05:00:00", **zone) == "2026-07-10T06:00"
    # The hour that comes twice, 02:30 of 25 October: once only.
    assert due("cron(30 2 * * ? *)", "2026-10-25T00:00:00", **zone) == "2026-10-25T00:30"
    assert due("cron(30 2 * * ? *)", "2026-10-25T00:30:00", **zone) == "2026-10-26T01:30"
    assert due("cron(30 2 * * ? *)", "2026-10-25T01:10:00", **zone) == "2026-10-26T01:30"


def test_at_happens_once() -> None:
    assert due("at(2026-07-10T08:00:00)", "2026-07-01T00:00:00") == "2026-07-10T08:00"
    assert due("at(2026-07-10T08:00:00)", "2026-07-10T08:00:00") is None


def test_rate_counts_from_its_creation_or_start() -> None:
    made = at("2026-07-10T08:00:00")
    assert due("rate(90 minutes)", "2026-07-10T08:00:00", _base=made) == "2026-07-10T09:30"
    assert due("rate(90 minutes)", "2026-07-10T09:30:00", _base=made) == "2026-07-10T11:00"
    later = {"_base": made, "StartTime": at("2026-07-12T00:00:00")}
    assert due("rate(1 day)", "2026-07-10T09:30:00", **later) == "2026-07-12T00:00"
    assert due("rate(1 day)", "2026-07-12T00:00:00", **later) == "2026-07-13T00:00"


def test_a_recurring_action_runs_at_its_start_and_not_after_its_end() -> None:
    between = {"StartTime": at("2026-07-10T05:30:00"), "EndTime": at("2026-07-11T20:00:00")}
    assert due("cron(0 20 * * ? *)", "2026-07-01T00:00:00", **between) == "2026-07-10T05:30"
    assert due("cron(0 20 * * ? *)", "2026-07-10T05:30:00", **between) == "2026-07-10T20:00"
    assert due("cron(0 20 * * ? *)", "2026-07-10T20:00:00", **between) == "2026-07-11T20:00"
    assert due("cron(0 20 * * ? *)", "2026-07-11T20:00:00", **between) is None


def test_the_last_time_counts_of_what_was_missed() -> None:
    daily = action("cron(0 20 * * ? *)")
    found = schedule.last_due(daily, at("2026-07-01T21:00:00"), at("2026-07-09T12:00:00"))
    assert found == at("2026-07-08T20:00:00")
    assert schedule.last_due(daily, at("2026-07-08T20:00:00"), at("2026-07-09T12:00:00")) is None


@pytest.mark.parametrize(
    "expression",
    ["", "7", "cron(0 20 * * * *)", "cron(0 20 * *)", "cron(0 x * * ? *)", "rate(0 minutes)", "rate(1 week)",
     "at(2026-13-01T00:00:00)", "at(tomorrow)"],
)  # fmt: skip
def test_other_expressions_are_refused(expression: str) -> None:
    with pytest.raises(ScalingError, match="Unrecognized schedule expression"):
        schedule.check(action(expression))


def test_a_time_zone_must_exist_and_an_action_must_change_something() -> None:
    with pytest.raises(ScalingError, match="Unknown time zone: Mars/Olympus"):
        schedule.check(action("rate(1 day)", Timezone="Mars/Olympus"))
    with pytest.raises(ScalingError, match="MinCapacity"):
        schedule.check({"Schedule": "rate(1 day)"})


def test_times_of_templates_are_text_and_those_of_the_api_numbers() -> None:
    assert schedule.instant("2026-07-10T08:00:00Z") == schedule.instant(at("2026-07-10T08:00:00"))
    assert schedule.instant("2026-07-10T08:00:00+02:00") == at("2026-07-10T06:00:00")
    with pytest.raises(ScalingError, match="Not a time: soon"):
        schedule.instant("soon")
