"""Which moments can be asked for, and what the restored table is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stack.errors import USAGE, ToolError
from stack.recover import moment, table
from stack.recover.moment import Window

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=35), NOW - timedelta(minutes=5))


@pytest.mark.parametrize(
    "words",
    ["2026-11-21T09:30:00Z", "2026-11-21T10:30:00+01:00", "2026-11-21 09:30", "2026-11-21T09:30:00.7Z"],
)
def test_a_moment_is_utc_unless_it_says_otherwise_and_a_whole_second(words):
    assert moment.parse(words) == NOW


def test_the_latest_moment_is_none_that_is_named():
    assert moment.parse("latest") is None


@pytest.mark.parametrize("words", [None, "", "yesterday", "2026-13-01", "10m"])
def test_what_is_no_moment_is_refused_with_one_that_is(words):
    with pytest.raises(ToolError) as raised:
        moment.parse(words)
    assert raised.value.code == USAGE
    assert "2026-11-21T09:30:00Z" in raised.value.hint


@pytest.mark.parametrize(("wanted", "why"), [(NOW, "too late"), (NOW - timedelta(days=36), "too early")])
def test_a_moment_out_of_the_window_is_refused_with_the_window(wanted, why):
    with pytest.raises(ToolError, match=why) as raised:
        moment.within(wanted, WINDOW)
    assert raised.value.code == USAGE
    assert "from 2026-10-17T09:30:00Z to 2026-11-21T09:25:00Z" in raised.value.message


def test_both_ends_are_in_the_window_though_theirs_are_no_whole_seconds():
    early = NOW + timedelta(milliseconds=700)
    window = Window(early, NOW + timedelta(seconds=1))
    assert moment.within(NOW, window) == early
    assert moment.within(window.latest, window) == window.latest


def test_a_restored_table_is_called_after_its_moment_in_utc_and_so_is_one_restored_from_it():
    name = table.name_at("echo-room-prod-data-Table-1ABC", NOW)
    assert name == "echo-room-prod-data-Table-1ABC-at-20261121T093000Z"
    later = NOW + timedelta(hours=1)
    assert table.name_at(name, later) == "echo-room-prod-data-Table-1ABC-at-20261121T103000Z"
    assert table.moment_of(name) == NOW
    assert name.startswith(table.beginning(name))
    assert len(table.name_at("x" * 255, NOW)) == 255
