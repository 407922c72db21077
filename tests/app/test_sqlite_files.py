"""Files of other versions: an older one is brought up to date, a newer one is refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from app.settings import load
from app.store import (
    StoreUnavailable,
    TokenRecord,
    open_store,
)


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
