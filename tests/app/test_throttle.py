"""Who has to wait before logging in, with the clock in hand; on SQLite, which two processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.accounts.throttle import LONGEST_ACCOUNT_WAIT, LONGEST_WAIT, MustWaitError, Throttle
from app.settings import load
from app.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(load({"ECHO_SQLITE_PATH": str(tmp_path / "store.sqlite3")}))
    yield opened
    opened.close()


class Process:
    """A server process's throttle; `time` stands still until it is moved."""

    time = 1_900_000_000.0

    def __init__(self, store: Store) -> None:
        self.store = store
        self.throttle = Throttle(3, 2, now=lambda: Process.time)

    def fails(self, name: str, source: str) -> int:
        """0 if a failed try was let through, else the seconds to wait."""
        try:
            self.throttle.log_in(self.store, name, source)
        except MustWaitError as error:
            return error.seconds
        return 0

    def succeeds(self, name: str, source: str) -> int:
        try:
            this = self.throttle.log_in(self.store, name, source)
        except MustWaitError as error:
            return error.seconds
        self.throttle.logged_in(self.store, this)
        return 0


def test_waits_grow_and_never_beyond_a_minute(store: Store) -> None:
    process = Process(store)
    waits = []
    for _ in range(12):
        wait = process.fails("bob", "s1")
        if wait:
            waits.append(wait)
            Process.time += wait
            assert process.fails("bob", "s1") == 0
    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == LONGEST_WAIT


def test_processes_count_together(store: Store) -> None:
    first, second = Process(store), Process(store)
    assert [first.fails("bob", "s1"), second.fails("bob", "s1"), first.fails("bob", "s1")] == [0, 0, 0]
    assert second.fails("BOB", "s1") == 1
    assert first.fails("alice", "s1") == 0


def test_success_takes_failures_back(store: Store) -> None:
    process = Process(store)
    for _ in range(10):
        assert [process.fails("bob", "s1"), process.succeeds("bob", "s1")] == [0, 0]
    for _ in range(100):
        assert process.succeeds("bob", "s1") == 0


def test_success_with_one_account_pays_for_no_failure_with_others(store: Store) -> None:
    process = Process(store)
    for number in range(30):
        assert process.fails(f"user{number}", "s1") == 0
        process.succeeds("mine", "s1")
    assert process.fails("user31", "s1") > 0


def test_one_source_that_tries_many_accounts(store: Store) -> None:
    process = Process(store)
    assert [process.fails(f"user{number}", "s1") for number in range(30)] == [0] * 30
    assert process.fails("user31", "s1") > 0
    assert process.fails("user31", "s2") == 0


def test_strangers_do_not_lock_out_the_owner(store: Store) -> None:
    process = Process(store)
    assert process.succeeds("bob", "home") == 0
    for number in range(31):
        process.fails("bob", f"stranger{number}")
    wait = process.fails("bob", "stranger99")
    assert 0 < wait <= LONGEST_ACCOUNT_WAIT
    assert process.succeeds("bob", "home") == 0, "a source that the account knows does not wait for strangers"
    # From anywhere else the owner waits half a minute at most, however long strangers have tried.
    for _ in range(20):
        Process.time += LONGEST_ACCOUNT_WAIT
        process.fails("bob", "stranger98")
    assert 0 < process.succeeds("bob", "away") <= LONGEST_ACCOUNT_WAIT
    Process.time += LONGEST_ACCOUNT_WAIT
    assert process.succeeds("bob", "away") == 0


def test_a_try_that_has_to_wait_is_not_counted(store: Store) -> None:
    process = Process(store)
    for _ in range(100):
        process.fails("bob", "s1")
    Process.time += 1
    assert process.fails("bob", "s1") == 0


def test_waiting_is_told_without_the_store(store: Store) -> None:
    process = Process(store)
    for _ in range(4):
        process.fails("bob", "s1")
    asked: list[str] = []
    real = store.attempt

    def attempt(key: str, free: int, longest: int, now: int) -> int:
        asked.append(key)
        return real(key, free, longest, now)

    store.attempt = attempt
    assert process.fails("bob", "s1") == 1
    assert asked == []


def test_sign_ups_from_one_source(store: Store) -> None:
    process = Process(store)
    for source in ("s1", "s2"):
        for _ in range(2):
            process.throttle.sign_up(store, source)
        with pytest.raises(MustWaitError):
            process.throttle.sign_up(store, source)
