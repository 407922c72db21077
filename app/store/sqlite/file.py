"""The file itself: opening, the schema and its versions, transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.store.errors import Conflict, StoreUnavailable

# What brings a file from one version (its index here; PRAGMA user_version) to the next. Only appended to.
# The tables of version 1 came before versions were counted: hence its IF NOT EXISTS.
_MIGRATIONS = (
    """
    CREATE TABLE IF NOT EXISTS tokens (
      digest TEXT PRIMARY KEY,
      owner TEXT NOT NULL,
      id TEXT NOT NULL,
      name TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      revoked_at INTEGER,
      UNIQUE (owner, id)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE tokens ADD COLUMN rotated_to TEXT;
    ALTER TABLE tokens ADD COLUMN last_used_on TEXT;
    CREATE TABLE accounts (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      folded TEXT NOT NULL UNIQUE,
      password_hash TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      disabled_at INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE sessions (
      digest TEXT PRIMARY KEY,
      id TEXT NOT NULL,
      account TEXT NOT NULL,
      account_name TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL,
      ends_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_account ON sessions (account, created_at);
    CREATE TABLE invitations (
      digest TEXT PRIMARY KEY,
      created_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE attempts (
      key TEXT PRIMARY KEY,
      count INTEGER NOT NULL,
      last_at INTEGER NOT NULL,
      expires_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX attempts_by_expiry ON attempts (expires_at);
    CREATE TABLE remembered (
      key TEXT PRIMARY KEY,
      expires_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX remembered_by_expiry ON remembered (expires_at);
    """,
)


class SQLiteFile:
    """One connection to the file `path`, shared by the threads of a process."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Created here and not by SQLite, which would let the umask decide who reads the hashes.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(
                self._path, timeout=timeout, check_same_thread=False, isolation_level=None
            )
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"cannot open {self._path}: {error}") from error
        with self._query() as db:
            if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")  # a revocation that was confirmed survives a power cut
        if self._version() != len(_MIGRATIONS):
            self._migrate()

    def _version(self) -> int:
        with self._query() as db:
            return int(db.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self) -> None:
        with self._transaction() as db:
            version = int(
                db.execute("PRAGMA user_version").fetchone()[0]
            )  # another process may have been first
            if version > len(_MIGRATIONS):
                raise StoreUnavailable(
                    f"{self._path} was written by a newer version of this service (schema {version}, not "
                    f"{len(_MIGRATIONS)})"
                )
            for script in _MIGRATIONS[version:]:
                # Not executescript(), which would commit the transaction first.
                for statement in script.split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={len(_MIGRATIONS)}")

    @contextmanager
    def _query(self) -> Iterator[sqlite3.Connection]:
        """The connection, to this thread alone; its errors become the store's."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.IntegrityError as error:
                raise Conflict(str(error)) from error
            except sqlite3.Error as error:
                raise StoreUnavailable(f"{self._path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The same, where all of what is done takes place or nothing; others' writes are waited for first."""
        with self._query() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def ping(self) -> None:
        """See `Store.ping`."""
        with self._query() as db:
            db.execute("SELECT 1 FROM tokens LIMIT 1").fetchall()

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            self._db.close()
