"""What every store must do with accounts and invitations, run against both."""

from __future__ import annotations

import threading

import pytest

from app.store import (
    AccountEnded,
    Conflict,
    Invitation,
    InvitationRefused,
    LimitReached,
    Store,
    TokenRecord,
)
from app.store.records import (
    MOST_SESSIONS,
    MOST_TOKENS,
    MOST_TOKENS_ROTATING,
)
from tests.app.store_records import NOW, OpenStore, account, session, token


def test_an_account_is_found_by_its_name_whatever_its_case(store: Store) -> None:
    store.add_account(account())
    for name in ("Name.a1", "NAME.A1", "name.a1"):
        assert store.account_by_name(name) == account()
    assert store.account_by_name("name.a2") is None
    assert "argon2" not in repr(account())


def test_a_name_is_taken_once_whatever_its_case(store: Store) -> None:
    store.add_account(account())
    with pytest.raises(Conflict):
        store.add_account(account("a2", name="nAME.a1"))
    assert store.accounts() == [account()]


def test_one_name_wanted_by_many_at_once_goes_to_one(open_again: OpenStore) -> None:
    stores = [open_again() for _ in range(4)]
    outcomes: list[str] = []

    def sign_up(number: int) -> None:
        try:
            stores[number].add_account(account(f"a{number}", name="wanted"))
            outcomes.append("made")
        except Conflict:
            outcomes.append("taken")

    threads = [threading.Thread(target=sign_up, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "taken", "taken", "taken"]
    assert len(stores[0].accounts()) == 1


def test_an_invitation_is_good_for_one_account_until_it_expires(store: Store) -> None:
    good, expired = Invitation("good", NOW - 1, NOW + 10), Invitation("expired", NOW - 2, NOW)
    store.add_invitation(expired)
    store.add_invitation(good)
    assert store.find_invitation("good") == good
    assert store.find_invitation("unknown") is None
    for digest in ("expired", "unknown"):
        with pytest.raises(InvitationRefused):
            store.add_account(account(), digest)
    assert store.accounts() == []
    store.add_account(account("a1"))
    with pytest.raises(Conflict):
        store.add_account(account("a2", name="name.a1"), "good")
    assert store.find_invitation("good") == good, "a refused sign-up used it up"
    store.add_account(account("a3"), "good")
    assert store.find_invitation("good") is None
    for name in ("name.a4", "name.a1"):  # a used one is refused before it is said that a name is taken
        with pytest.raises(InvitationRefused):
            store.add_account(account("a4", name=name), "good")


def test_a_password_hash_is_replaced_only_if_it_is_the_old_one(store: Store) -> None:
    store.add_account(account())
    store.set_password_hash("a1", "another", "new")
    assert store.account_by_name("name.a1") == account()
    store.set_password_hash("a1", "$argon2id$...", "new")
    assert store.account_by_name("name.a1") == account(password_hash="new")
    store.set_password_hash("absent", "x", "y")


def test_disabling_ends_tokens_and_sessions_and_lets_nothing_in(store: Store) -> None:
    store.add_account(account())
    store.add_account(account("a2"))
    mine = [token(number) for number in range(3)]
    other = token(1, "a2")
    for record in (*mine, other):
        store.add(record)
    store.add_session(session(1))
    store.add_session(session(1, "a2"))
    assert store.disable_account("a1", NOW + 5) == account(disabled_at=NOW + 5)
    for record in mine:
        found = store.find(record.digest)
        assert found is None or not found.valid_at(NOW + 5)
    assert [record.revoked_at for record in store.list("a1")] == [NOW + 5] * 3
    assert store.find_session(session(1).digest) is None
    assert store.find(other.digest) == other
    assert store.find_session(session(1, "a2").digest) == session(1, "a2")
    with pytest.raises(AccountEnded):
        store.add(token(9))
    with pytest.raises(AccountEnded):
        store.add_session(session(9))
    assert store.find(token(9).digest) is None
    assert store.disable_account("a1", NOW + 9) == account(disabled_at=NOW + 5), "its first time stands"
    assert store.disable_account("absent", NOW) is None


def test_enabling_lets_in_again_and_revives_nothing(store: Store) -> None:
    store.add_account(account())
    store.add(token(1))
    store.disable_account("a1", NOW)
    assert store.enable_account("a1") == account()
    assert store.enable_account("a1") == account()
    assert store.enable_account("absent") is None
    found = store.find(token(1).digest)
    assert found is not None
    assert not found.valid_at(NOW)
    store.add(token(2))
    store.add_session(session(1))


def test_deleting_leaves_no_trace_and_frees_the_name(store: Store) -> None:
    store.add_account(account())
    store.add(token(1))
    store.add(token(2, revoked_at=NOW))
    store.add_session(session(1))
    assert store.delete_account("a1", NOW) is True
    assert store.delete_account("a1", NOW) is False
    assert store.accounts() == []
    assert store.list("a1") == []
    assert store.find(token(1).digest) is store.find(token(2).digest) is None
    assert store.find_session(session(1).digest) is None
    with pytest.raises(AccountEnded):
        store.add(token(3))
    store.add_account(account("a2", name="name.A1"))


def test_everything_an_account_may_have_ends_at_once(store: Store) -> None:
    store.add_account(account())
    for number in range(MOST_TOKENS):
        store.add(token(number))
    for number in range(MOST_TOKENS_ROTATING - MOST_TOKENS):
        store.rotate("a1", f"t{number}", token(100 + number), NOW + 600)
    for number in range(MOST_SESSIONS):
        store.add_session(session(number))
    with pytest.raises(LimitReached):
        store.add(token(50))
    with pytest.raises(LimitReached):
        store.rotate("a1", "t19", token(51), NOW + 600)
    assert len(store.list("a1")) == MOST_TOKENS_ROTATING
    store.disable_account("a1", NOW + 1)
    assert all(not record.valid_at(NOW + 1) for record in store.list("a1"))
    assert all(store.find_session(session(number).digest) is None for number in range(MOST_SESSIONS))


def test_whatever_is_added_while_an_account_is_being_disabled_does_not_survive(open_again: OpenStore) -> None:
    store, other = open_again(), open_again()
    for number in range(5):
        owner = f"r{number}"
        store.add_account(account(owner))
        start = threading.Barrier(2)
        added: list[TokenRecord] = []

        def add(
            owner: str = owner, start: threading.Barrier = start, added: list[TokenRecord] = added
        ) -> None:
            start.wait()
            for each in range(6):
                try:
                    other.add(token(each, owner))
                except AccountEnded:
                    return
                added.append(token(each, owner))

        thread = threading.Thread(target=add)
        thread.start()
        start.wait()
        store.disable_account(owner, NOW + 1)
        thread.join()
        for record in added:
            found = store.find(record.digest)
            assert found is not None
            assert not found.valid_at(NOW + 1)


def test_many_at_once_on_one_account_all_get_theirs(open_again: OpenStore) -> None:
    stores = [open_again() for _ in range(4)]
    stores[0].add_account(account())
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for each in range(3):
                stores[number].add(token(10 * number + each))
            for each in range(2):
                stores[number].add_session(session(10 * number + each))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(stores[0].list("a1")) == 12
    found = [stores[0].find_session(session(10 * n + each).digest) for n in range(4) for each in range(2)]
    assert None not in found
