"""What recoveries are told as, and the writer they are measured with; tests/e2e loses things."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from app.store import StoreUnavailable, TokenRecord
from bench.recovery import place as places
from bench.recovery import result, writer
from bench.recovery.__main__ import CASES, parser
from bench.recovery.result import Result
from bench.recovery.writer import Write, Writer

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"


def test_a_row_says_how_long_it_took_and_what_is_lost():
    writes = [Write(f"t{number}", 100 + number) for number in range(5)]
    found = Result("items", "items", 12.34, 105.5, writes, writes[:3], 7, [("`make restore`", 2.0)])
    assert result.table([found]).splitlines()[3] == (
        "| items | 12.3 s | 3.5 s before the loss | 2 of 5, and 7 after it | `make restore` 2.0 s |"
    )
    assert found.point == 3.5


def test_where_nothing_is_lost_the_recovery_point_is_the_loss():
    writes = [Write("t", 100.0)]
    found = Result("stacks", "stacks", 1, 104.0, writes, writes, 0, [])
    assert "| the loss | 0 of 1 |" in result.table([found])


def test_the_page_has_a_row_for_every_case_as_they_are_printed():
    page = PAGE.read_text(encoding="utf-8")
    _, begin, rest = page.partition(result.BEGIN)
    printed, end, _ = rest.partition(result.END)
    assert begin
    assert end
    head, line, *rows = printed.strip().splitlines()
    empty = result.table([]).splitlines()
    assert [head, line] == empty[1:3]
    assert len(rows) == len(CASES), "paste what python -m bench.recovery prints"
    assert all(row.count("|") == head.count("|") for row in rows)


class _Store:
    """Takes every second token."""

    def __init__(self) -> None:
        self.records: list[TokenRecord] = []
        self.asked = 0

    def add(self, record: TokenRecord) -> None:
        self.asked += 1
        if self.asked % 2:
            raise StoreUnavailable("away")
        self.records.append(record)

    def list(self, _: str) -> list[TokenRecord]:
        return self.records


def test_the_writer_counts_as_acknowledged_what_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "RATE", 1000.0)
    store: Any = _Store()
    with Writer(store) as at_work:
        deadline = time.monotonic() + 30
        while len(at_work.acknowledged) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    count = len(at_work.acknowledged)
    assert at_work.failed in (count, count + 1)
    assert writer.known(store, [*at_work.acknowledged, Write("another", 0)]) == at_work.acknowledged
    assert at_work.before(at_work.acknowledged[1].at) == at_work.acknowledged[:1]
    time.sleep(0.05)
    assert len(at_work.acknowledged) == count, "it goes on after its end"


def test_lines_take_the_place_of_those_of_the_same_parameters(tmp_path: Path):
    class Place:
        root = tmp_path

    file = tmp_path / places.FILE.format("x")
    file.parent.mkdir(parents=True)
    file.write_text(
        '[parameters.data]\n# Why.\nExistingTable = "a"\nOther = 1\n\n[tags]\nExistingTable = 2\n'
    )
    places.put(Place(), 'ExistingTable = "b"\nKey = "k"', "x")  # type: ignore[arg-type] # it only has a root
    assert file.read_text() == (
        '[parameters.data]\nExistingTable = "b"\nKey = "k"\n# Why.\nOther = 1\n\n[tags]\nExistingTable = 2\n'
    )


def test_cases_may_be_chosen():
    assert parser().parse_args(["--case", "items", "--case", "region"]).case == ["items", "region"]
    with pytest.raises(SystemExit):
        parser().parse_args(["--case", "all"])
