"""The journal of a table's changes: order, bounds, and what a crash leaves of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localcloud.tables import journal
from localcloud.tables.journal import Journal


def test_the_first_change_after_a_moment_tells_what_was_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(journal.time, "time", lambda: clock[0])
    made = Journal(tmp_path / "t")
    for clock[0], before in ((101.0, None), (102.0, {"v": {"S": "1"}}), (103.0, {"v": {"S": "2"}})):
        made.note(("a", "1"), before)
    assert made.before(100.0) == {("a", "1"): None}
    assert made.before(101.0) == {("a", "1"): {"v": {"S": "1"}}}
    assert made.before(102.5) == {("a", "1"): {"v": {"S": "2"}}}
    assert made.before(103.0) == {}
    clock[0] = 50.0
    made.note(("b", "1"), None)
    assert made.before(102.5).keys() == {("a", "1"), ("b", "1")}, "a clock that was set back"
    made.close()


def test_it_is_bounded_and_begins_later_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.5]
    monkeypatch.setattr(journal.time, "time", lambda: clock[0])
    made = Journal(tmp_path / "t", segment_bytes=1000)
    began = made.earliest()
    assert began == 100.0
    for number in range(400):
        clock[0] += 1
        made.note((f"key {number}", "1"), {"v": {"S": "x" * 100}})
    assert sum(path.stat().st_size for path in (tmp_path / "t").iterdir()) < 10_000
    assert 400 < made.earliest() < clock[0]
    assert made.earliest() == int(made.earliest())
    kept = made.before(made.earliest())
    assert ("key 399", "1") in kept
    assert ("key 0", "1") not in kept
    earliest = made.earliest()
    made.close()
    again = Journal(tmp_path / "t", segment_bytes=1000)
    assert (again.earliest(), again.before(earliest)) == (earliest, kept)
    again.delete()
    assert not (tmp_path / "t").exists()


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    made = Journal(tmp_path / "t")
    began = made.earliest()
    made.note(("a", "1"), None)
    made.close()
    (segment,) = (tmp_path / "t").iterdir()
    with segment.open("a") as file:
        file.write('[1, "b"')
    again = Journal(tmp_path / "t")
    again.note(("c", "1"), None)
    assert again.before(began).keys() == {("a", "1"), ("c", "1")}
    again.close()
    assert [json.loads(line) for line in segment.read_text().splitlines()]
