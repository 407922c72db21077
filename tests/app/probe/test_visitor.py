"""The probe's account: there while it runs, gone afterwards, whatever happens; both backends."""

from __future__ import annotations

import time

import pytest

from app import tokens
from app.accounts import names
from app.probe.visitor import NAMES, VisitorError, visitor
from app.store import Account, Store, StoreUnavailable


def account(name: str, age: int = 0) -> Account:
    return Account(f"{NAMES.index(name):016x}", name, "-", int(time.time()) - age)


def test_it_has_a_token_that_expires_and_both_are_removed(store: Store) -> None:
    with visitor(store, 60) as (token, record):
        found = store.find(tokens.digest(token))
        assert found == record
        assert found.expires_at is not None
        assert found.expires_at <= time.time() + 61
        assert [one.name for one in store.accounts()] == [NAMES[0]]
    assert store.accounts() == []
    assert store.find(tokens.digest(token)) is None


def test_both_are_removed_when_the_run_ends_early(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), visitor(store, 60) as (token, _):
        raise KeyboardInterrupt
    assert store.accounts() == []
    assert store.find(tokens.digest(token)) is None


def test_several_run_at_once_and_leftovers_go_once_their_token_expired(store: Store) -> None:
    store.add_account(account(NAMES[0], age=30))
    store.add_account(account(NAMES[1], age=90))
    with visitor(store, 60), visitor(store, 60):
        found = {one.name: one.created_at for one in store.accounts()}
        assert set(found) == set(NAMES[:3])
        assert found[NAMES[1]] > time.time() - 60, "another one, in the place of the one left behind"
    assert [one.name for one in store.accounts()] == [NAMES[0]]


def test_when_all_names_are_taken_it_says_so(store: Store) -> None:
    for name in NAMES:
        store.add_account(account(name))
    with pytest.raises(VisitorError, match="8 probes run already"), visitor(store, 60):
        pass
    assert len(store.accounts()) == len(NAMES)


def test_a_store_that_fails_at_the_end_is_tried_again_and_then_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, failures = store.delete_account, [2]

    def delete_account(account_id: str, now: int) -> bool:
        if failures[0]:
            failures[0] -= 1
            raise StoreUnavailable("away")
        return remove(account_id, now)

    monkeypatch.setattr(store, "delete_account", delete_account)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with visitor(store, 60):
        pass
    assert store.accounts() == []
    failures[0] = 3
    with (
        pytest.raises(VisitorError, match=r"could not be removed: away. Its token expires within 60 s"),
        visitor(store, 60),
    ):
        pass


def test_nobody_can_sign_up_with_its_names() -> None:
    assert not any(names.valid(name) for name in NAMES)
