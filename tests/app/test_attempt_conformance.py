"""What every store must remember of attempts to log in, and for how long, run against both."""

from __future__ import annotations

import threading

from app.store import (
    Store,
)
from app.store.records import (
    ATTEMPTS_SECONDS,
    Attempts,
)
from tests.app.store_records import NOW, OpenStore


def test_attempts_wait_longer_and_longer_but_never_for_ever(store: Store) -> None:
    assert [store.attempt("k", 3, 60, NOW) for _ in range(3)] == [0, 0, 0]
    assert [store.attempt("k", 3, 60, NOW) for _ in range(3)] == [1, 1, 1], "waiting is not an attempt"
    assert store.attempt("other", 3, 60, NOW) == 0
    now, waits = NOW, []
    for _ in range(9):
        waits.append(store.attempt("k", 3, 60, now))
        now += waits[-1]
        assert store.attempt("k", 3, 60, now) == 0
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert store.attempt("k", 3, 60, now + ATTEMPTS_SECONDS) == 0
    assert store.attempt("k", 3, 60, now + ATTEMPTS_SECONDS) == 0, "they were forgotten"


def test_attempts_are_forgiven(store: Store) -> None:
    for _ in range(3):
        store.attempt("k", 3, 60, NOW)
    store.forgive("k", everything=False)
    assert [store.attempt("k", 3, 60, NOW) for _ in range(2)] == [0, 1]
    store.forgive("k", everything=True)
    assert [store.attempt("k", 3, 60, NOW) for _ in range(4)] == [0, 0, 0, 1]
    store.forgive("unknown", everything=False)
    assert [store.attempt("unknown", 1, 60, NOW) for _ in range(2)] == [0, 1]


def test_attempts_made_at_once_are_all_counted(open_again: OpenStore) -> None:
    stores = [open_again() for _ in range(4)]
    let_in: list[int] = []

    def work(number: int) -> None:
        let_in.extend(1 for _ in range(4) if stores[number].attempt("k", 5, 60, NOW) == 0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # With DynamoDB one may be told to wait because of the crowd; never is one let in too many.
    assert 1 <= len(let_in) <= 5
    while stores[0].attempt("k", 5, 60, NOW) == 0:
        let_in.append(1)
    assert len(let_in) == 5


def test_what_is_remembered_is_forgotten_in_time(store: Store) -> None:
    assert store.remembers("k", NOW) is False
    store.remember("k", NOW + 10)
    store.remember("k", NOW + 20)
    assert store.remembers("k", NOW + 19) is True
    assert store.remembers("k", NOW + 20) is False
    assert store.remembers("other", NOW) is False


def test_the_wait_after_an_attempt_is_bounded_whatever_the_clocks_say() -> None:
    assert Attempts(10**9, NOW + 10**6).wait(1, 60, NOW) == 60
    assert Attempts(10**9, 0).wait(1, 60, NOW) == 0
