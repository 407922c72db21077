"""The embedded store: one SQLite file in WAL mode, safe for all workers and the command line at once."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.store import Conflict, StoreUnavailable, TokenRecord

_COLUMNS = "id, owner, name, digest, created_at, expires_at, revoked_at"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
  digest TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  UNIQUE (owner, id)
) WITHOUT ROWID
"""


class SQLiteStore:
    """`app.store.Store` in the file `path`, which is created (mode 0600) when missing.

    `timeout` is how many seconds another process's write is waited for.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Created here and not by SQLite, which would let the umask decide who reads the digests.
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
            db.execute(_SCHEMA)

    @contextmanager
    def _query(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.IntegrityError as error:
                raise Conflict(str(error)) from error
            except sqlite3.Error as error:
                raise StoreUnavailable(f"{self._path}: {error}") from error

    def ping(self) -> None:
        """See `Store.ping`."""
        with self._query() as db:
            db.execute("SELECT 1 FROM tokens LIMIT 1").fetchall()

    def add(self, record: TokenRecord) -> None:
        """See `Store.add`."""
        with self._query() as db:
            db.execute(
                f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
                (record.id, record.owner, record.name, record.digest, record.created_at, record.expires_at,
                 record.revoked_at),
            )  # fmt: skip

    def find(self, digest: str) -> TokenRecord | None:
        """See `Store.find`."""
        found = self._select("digest = ?", (digest,))
        return found[0] if found else None

    def _select(self, where: str, values: tuple[str, ...]) -> list[TokenRecord]:
        with self._query() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM tokens WHERE {where}", values).fetchall()  # noqa: S608
        return [TokenRecord(*row) for row in rows]

    def revoke(self, owner: str, token_id: str, now: int) -> TokenRecord | None:
        """See `Store.revoke`."""
        with self._query() as db:
            db.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE owner = ? AND id = ?",
                (now, owner, token_id),
            )
        found = self._select("owner = ? AND id = ?", (owner, token_id))
        return found[0] if found else None

    def list(self, owner: str) -> list[TokenRecord]:
        """See `Store.list`."""
        return self._select("owner = ? ORDER BY created_at, id", (owner,))

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            self._db.close()
