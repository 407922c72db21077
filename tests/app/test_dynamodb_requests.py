"""What a look-up asks of DynamoDB, and what a transaction that fails half-way leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app import tokens
from app.settings import load
from app.store import (
    AccountEnded,
    Store,
    StoreUnavailable,
    open_store,
)
from tests.app.store_records import NOW, account, session, token


@pytest.fixture
def dynamodb(dynamodb_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name, value in dynamodb_environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(load({k: v for k, v in dynamodb_environment.items() if k.startswith("ECHO_")}))
    yield store
    store.close()


def test_a_look_up_is_one_read_of_one_item(dynamodb: Store) -> None:
    dynamodb.add_account(account())
    dynamodb.add(token(1))
    dynamodb.add_session(session(1))
    calls: list[str] = []
    dynamodb._client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    assert dynamodb.find(token(1).digest) == token(1)
    assert dynamodb.find(tokens.digest("unknown")) is None
    assert dynamodb.find_session(session(1).digest) == session(1)
    assert calls == ["GetItem"] * 3
    calls.clear()
    assert dynamodb.account_by_name("name.a1") is not None
    known, calls[:] = calls[:], []
    assert dynamodb.account_by_name("unknown") is None
    assert calls == known, "a name that exists must not cost more than one that does not"


def test_a_transaction_that_fails_half_way_ends_everything_or_nothing(
    dynamodb: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting is cut short after the account was disabled: nothing of it works, and it can be repeated."""
    dynamodb.add_account(account())
    for number in range(3):
        dynamodb.add(token(number))
    real, calls = dynamodb._transact, []

    def failing(writes: list[object]) -> set[int]:
        calls.append(len(writes))
        if len(calls) == 3:
            raise StoreUnavailable("cut short")
        return real(writes)

    monkeypatch.setattr(dynamodb, "_transact", failing)
    with pytest.raises(StoreUnavailable):
        dynamodb.delete_account("a1", NOW)
    for number in range(3):
        found = dynamodb.find(token(number).digest)
        assert found is None or not found.valid_at(NOW)
    with pytest.raises(AccountEnded):
        dynamodb.add_session(session(1))
    assert dynamodb.delete_account("a1", NOW) is True
    assert dynamodb.list("a1") == []
    assert dynamodb.accounts() == []
