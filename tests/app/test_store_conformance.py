"""What every token store must do, run against both."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app import tokens
from app.settings import load
from app.store import Account, Conflict, Store, StoreUnavailable, TokenRecord, open_store

OpenStore = Callable[[], Store]


def record(number: int = 1, **changes: object) -> TokenRecord:
    values: dict[str, object] = {
        "id": f"id{number}",
        "owner": "operator",
        "name": f"näme \U0001f600 {number}",
        "digest": tokens.digest(f"token {number}"),
        "created_at": 1_700_000_000 + number,
    }
    return TokenRecord(**(values | changes))


def account(account_id: str = "a1", **changes: object) -> Account:
    values: dict[str, object] = {
        "id": account_id,
        "name": f"Name.{account_id}",
        "password_hash": "$argon2id$...",
        "created_at": 1_700_000_000,
    }
    return Account(**(values | changes))


def test_answers_a_ping(store: Store) -> None:
    store.ping()


def test_finds_what_was_added_and_nothing_else(store: Store) -> None:
    plain, expiring = record(1), record(2, expires_at=1_900_000_000)
    store.add(plain)
    store.add(expiring)
    assert store.find(plain.digest) == plain
    assert store.find(expiring.digest) == expiring
    assert store.find(tokens.digest("another")) is None


def test_expired_records_are_found_and_left_to_the_caller(store: Store) -> None:
    expired = record(expires_at=1_600_000_000)
    store.add(expired)
    assert store.find(expired.digest) == expired
    assert not expired.valid_at(1_600_000_000)
    assert expired.valid_at(1_599_999_999.9)


def test_refuses_a_second_record_with_the_same_digest_or_id(store: Store) -> None:
    store.add(record(1))
    with pytest.raises(Conflict):
        store.add(record(2, digest=record(1).digest))
    with pytest.raises(Conflict):
        store.add(record(2, id="id1"))
    assert store.find(record(2).digest) is None, "half of a refused record was kept"
    assert store.list("operator") == [record(1)]


def test_the_same_id_may_exist_for_two_owners(store: Store) -> None:
    store.add(record(1))
    store.add_account(account("somebody"))
    other = record(2, id="id1", owner="somebody")
    store.add(other)
    assert store.list("somebody") == [other]
    assert store.list("operator") == [record(1)]
    assert store.list("nobody") == []


def test_lists_all_oldest_first(store: Store) -> None:
    for number in (3, 1, 2):
        store.add(record(number))
    assert store.list("operator") == [record(1), record(2), record(3)]


def test_revocation_is_seen_by_look_up_and_list_and_its_first_time_stands(store: Store) -> None:
    store.add(record(1))
    store.add(record(2))
    revoked = record(1, revoked_at=1_800_000_000)
    assert store.revoke("operator", "id1", 1_800_000_000) == revoked
    assert store.revoke("operator", "id1", 1_800_000_999) == revoked
    assert store.find(record(1).digest) == revoked
    assert store.list("operator") == [revoked, record(2)]
    assert not revoked.valid_at(0)


def test_revoking_what_is_not_there_changes_nothing(store: Store) -> None:
    store.add(record(1))
    assert store.revoke("operator", "id2", 1) is None
    assert store.revoke("somebody", "id1", 1) is None
    assert store.find(record(1).digest) == record(1)


def test_another_opener_sees_it(open_again: OpenStore) -> None:
    first, second = open_again(), open_again()
    first.add(record(1))
    assert second.find(record(1).digest) == record(1)
    second.revoke("operator", "id1", 5)
    found = first.find(record(1).digest)
    assert found is not None
    assert found.revoked_at == 5


def test_several_threads_may_use_one_store(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            store.add(record(number))
            assert store.find(record(number).digest) == record(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.list("operator")) == 8


def test_sqlite_makes_its_folder_and_file_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "tokens.sqlite3"
    store = open_store(load({"ECHO_SQLITE_PATH": str(path)}))
    store.add(record(1))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    store.close()
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_sqlite_says_which_file_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="file/tokens"):
        open_store(load({"ECHO_SQLITE_PATH": str(tmp_path / "file" / "tokens")}))
    (tmp_path / "garbage").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(StoreUnavailable, match="garbage"):
        open_store(load({"ECHO_SQLITE_PATH": str(tmp_path / "garbage")}))


def test_a_missing_table_is_an_unavailable_store(
    dynamodb_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dynamodb_environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(load({"ECHO_STORE": "dynamodb", "ECHO_DYNAMODB_TABLE": "absent"}))
    with pytest.raises(StoreUnavailable, match="absent"):
        store.ping()
    store.close()
