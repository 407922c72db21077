"""What every store must do with accounts, sessions, invitations and attempts, run against both."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app import tokens
from app.settings import load
from app.store import (
    Account,
    AccountEnded,
    AlreadyRotated,
    Conflict,
    Invitation,
    InvitationRefused,
    LimitReached,
    NoSuchToken,
    Session,
    Store,
    StoreUnavailable,
    TokenRecord,
    new_record,
    open_store,
)
from app.store.records import (
    ATTEMPTS_SECONDS,
    ENDED_TOKENS_LISTED,
    MOST_SESSIONS,
    MOST_TOKENS,
    MOST_TOKENS_ROTATING,
    Attempts,
)

NOW = 1_900_000_000
OpenStore = Callable[[], Store]


def account(account_id: str = "a1", **changes: object) -> Account:
    values: dict[str, object] = {
        "id": account_id,
        "name": f"Name.{account_id}",
        "password_hash": "$argon2id$...",
        "created_at": NOW,
    }
    return Account(**(values | changes))  # type: ignore[arg-type]


def token(number: int, owner: str = "a1", now: int = NOW, **changes: object) -> TokenRecord:
    record = new_record(tokens.digest(f"{owner} {number}"), f"token {number}", None, owner, now)
    return replace(record, id=f"t{number}", **changes)  # type: ignore[arg-type]


def session(number: int, owner: str = "a1", created_at: int = NOW) -> Session:
    return Session(
        f"s{number}", owner, f"Name.{owner}", tokens.digest(f"session {owner} {number}"), created_at,
        created_at + 900, created_at + 43200,
    )  # fmt: skip


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


def test_the_oldest_session_makes_room(store: Store) -> None:
    store.add_account(account())
    for number in range(MOST_SESSIONS + 2):
        store.add_session(session(number, created_at=NOW + number))
    alive = [store.find_session(session(n).digest) is not None for n in range(MOST_SESSIONS + 2)]
    assert alive == [False, False] + [True] * MOST_SESSIONS


def test_a_session_is_extended_up_to_its_end_and_ended(store: Store) -> None:
    store.add_account(account())
    mine = session(1)
    store.add_session(mine)
    assert store.find_session(mine.digest) == mine
    assert store.extend_session(mine, mine.expires_at + 60) is True
    assert store.find_session(mine.digest) == replace(mine, expires_at=mine.expires_at + 60)
    assert store.extend_session(mine, mine.expires_at) is True, "an earlier time changes nothing"
    assert store.find_session(mine.digest) == replace(mine, expires_at=mine.expires_at + 60)
    assert store.extend_session(mine, mine.ends_at + 60) is True
    assert store.find_session(mine.digest) == replace(mine, expires_at=mine.ends_at)
    store.end_session(mine)
    store.end_session(mine)
    assert store.find_session(mine.digest) is None
    assert store.extend_session(mine, NOW + 1) is False
    assert store.find_session(mine.digest) is None


@pytest.mark.parametrize("owner", ["a1", "operator"])
def test_rotation_leaves_both_for_a_while(store: Store, owner: str) -> None:
    store.add_account(account())
    old = token(1, owner)
    store.add(old)
    rotated = replace(old, rotated_to="t2", expires_at=NOW + 610)
    assert store.rotate(owner, "t1", token(2, owner, NOW + 10), NOW + 610) == rotated
    assert store.find(old.digest) == rotated
    assert store.find(token(2, owner).digest) == token(2, owner, NOW + 10)
    assert store.list(owner) == [rotated, token(2, owner, NOW + 10)]
    with pytest.raises(AlreadyRotated):
        store.rotate(owner, "t1", token(3, owner), NOW + 610)
    with pytest.raises(NoSuchToken):
        store.rotate(owner, "t9", token(3, owner), NOW + 610)
    store.revoke(owner, "t2", NOW)
    with pytest.raises(NoSuchToken):
        store.rotate(owner, "t2", token(3, owner), NOW + 610)
    assert store.find(token(3, owner).digest) is None


def test_rotation_never_lengthens_a_life(store: Store) -> None:
    store.add(token(1, "operator", expires_at=NOW + 60))
    assert store.rotate("operator", "t1", token(2, "operator"), NOW + 600).expires_at == NOW + 60
    with pytest.raises(NoSuchToken):
        store.rotate("operator", "t1", token(3, "operator", NOW + 60), NOW + 700)


def test_the_day_of_last_use_only_moves_forward(store: Store) -> None:
    store.add(token(1, "operator"))
    assert store.list("operator")[0].last_used_on is None
    for day in ("2030-01-31", "2030-01-30", "2030-01-31"):
        store.mark_used("operator", "t1", day)
        assert store.list("operator")[0].last_used_on == "2030-01-31"
    store.mark_used("operator", "t1", "2030-02-01")
    assert store.list("operator")[0].last_used_on == "2030-02-01"
    store.mark_used("operator", "t2", "2030-02-01")
    assert len(store.list("operator")) == 1, "a note made a token"


def test_ended_tokens_do_not_gather(store: Store) -> None:
    store.add_account(account())
    for number in range(ENDED_TOKENS_LISTED + 4):
        store.add(token(number, now=NOW + number))
        store.revoke("a1", f"t{number}", NOW + number)
    listed = [record.id for record in store.list("a1")]
    assert len(listed) == ENDED_TOKENS_LISTED + 1
    assert listed[-1] == f"t{ENDED_TOKENS_LISTED + 3}"
    assert store.find(token(0).digest) is None


def test_a_revoked_token_shows_its_own_expiry(store: Store) -> None:
    far = NOW + 10**8
    store.add(token(1, "operator", expires_at=far))
    store.add(token(2, "operator"))
    for number in (1, 2):
        store.revoke("operator", f"t{number}", NOW)
    assert [record.expires_at for record in store.list("operator")] == [far, None]


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


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    old = sqlite3.connect(path)
    old.execute(
        "CREATE TABLE tokens (digest TEXT PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, "
        "name TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER, "
        "UNIQUE (owner, id)) WITHOUT ROWID"
    )
    old.execute("INSERT INTO tokens VALUES ('d', 'operator', 't1', 'kept', 5, 7, NULL)")
    old.commit()
    old.close()
    for _ in range(2):
        store = open_store(load({"ECHO_SQLITE_PATH": str(path)}))
        assert store.find("d") == TokenRecord("t1", "operator", "kept", "d", 5, 7)
        store.close()
    store.close()


def test_a_file_of_a_newer_version_is_refused_in_so_many_words(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    new = sqlite3.connect(path)
    new.execute("PRAGMA user_version=99")
    new.close()
    with pytest.raises(StoreUnavailable, match="newer version"):
        open_store(load({"ECHO_SQLITE_PATH": str(path)}))
    check = sqlite3.connect(path)
    assert check.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    check.close()


def test_a_look_up_is_one_read_of_one_item(
    dynamodb_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dynamodb_environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(load({k: v for k, v in dynamodb_environment.items() if k.startswith("ECHO_")}))
    store.add_account(account())
    store.add(token(1))
    store.add_session(session(1))
    calls: list[str] = []
    store._client.meta.events.register(  # type: ignore[attr-defined]
        "before-call.dynamodb", lambda model, **_: calls.append(model.name)
    )
    assert store.find(token(1).digest) == token(1)
    assert store.find(tokens.digest("unknown")) is None
    assert store.find_session(session(1).digest) == session(1)
    assert calls == ["GetItem"] * 3
    calls.clear()
    assert store.account_by_name("name.a1") is not None
    known, calls[:] = calls[:], []
    assert store.account_by_name("unknown") is None
    assert calls == known, "a name that exists must not cost more than one that does not"
    store.close()


def test_a_transaction_that_fails_half_way_ends_everything_or_nothing(
    dynamodb_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting is cut short after the account was disabled: nothing of it works, and it can be repeated."""
    for name, value in dynamodb_environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(load({k: v for k, v in dynamodb_environment.items() if k.startswith("ECHO_")}))
    store.add_account(account())
    for number in range(3):
        store.add(token(number))
    real, calls = store._transact, []  # type: ignore[attr-defined]

    def failing(writes: list[object]) -> set[int]:
        calls.append(len(writes))
        if len(calls) == 3:
            raise StoreUnavailable("cut short")
        return real(writes)  # type: ignore[no-any-return]

    monkeypatch.setattr(store, "_transact", failing)
    with pytest.raises(StoreUnavailable):
        store.delete_account("a1", NOW)
    for number in range(3):
        found = store.find(token(number).digest)
        assert found is None or not found.valid_at(NOW)
    with pytest.raises(AccountEnded):
        store.add_session(session(1))
    assert store.delete_account("a1", NOW) is True
    assert store.list("a1") == []
    assert store.accounts() == []
    store.close()
