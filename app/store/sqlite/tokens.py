"""API tokens in SQLite."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from app.store import records
from app.store.errors import AccountEnded, AlreadyRotated, LimitReached, NoSuchToken
from app.store.records import OPERATOR, TokenRecord
from app.store.sqlite.file import SQLiteFile

_COLUMNS = "id, owner, name, digest, created_at, expires_at, revoked_at, rotated_to, last_used_on"


def _select(db: sqlite3.Connection, where: str, *values: object) -> list[TokenRecord]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM tokens WHERE {where}", values).fetchall()  # noqa: S608 - `where` is a constant
    return [TokenRecord(*row) for row in rows]


def _insert(db: sqlite3.Connection, record: TokenRecord) -> None:
    db.execute(
        f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (record.id, record.owner, record.name, record.digest, record.created_at, record.expires_at,
         record.revoked_at, record.rotated_to, record.last_used_on),
    )  # fmt: skip


def check_enabled(db: sqlite3.Connection, account_id: str) -> None:
    """Raise AccountEnded unless the account exists and is enabled."""
    if not db.execute(
        "SELECT 1 FROM accounts WHERE id = ? AND disabled_at IS NULL", (account_id,)
    ).fetchone():
        raise AccountEnded(f"there is no account {account_id}, or it is disabled")


class SQLiteTokens(SQLiteFile):
    """`app.store.Tokens`."""

    def add(self, record: TokenRecord) -> None:
        """See `Tokens.add`."""
        with self._transaction() as db:
            if record.owner != OPERATOR:
                self._check_owner(db, record.owner, record.created_at, rotating=False)
            _insert(db, record)

    def _check_owner(self, db: sqlite3.Connection, owner: str, now: int, *, rotating: bool) -> None:
        check_enabled(db, owner)
        all_of_it = _select(db, "owner = ? ORDER BY created_at DESC, id", owner)
        live = [record for record in all_of_it if record.valid_at(now)]
        counted = len(live) if rotating else sum(1 for record in live if record.rotated_to is None)
        most = records.MOST_TOKENS_ROTATING if rotating else records.MOST_TOKENS
        if counted >= most or len(live) >= records.MOST_TOKENS_ROTATING:
            raise LimitReached(f"an account may have {records.MOST_TOKENS} tokens")
        ended = [record for record in all_of_it if not record.valid_at(now)]
        db.executemany(
            "DELETE FROM tokens WHERE digest = ?",
            [(record.digest,) for record in ended[records.ENDED_TOKENS_LISTED :]],
        )

    def find(self, digest: str) -> TokenRecord | None:
        """See `Tokens.find`."""
        with self._query() as db:
            found = _select(db, "digest = ?", digest)
        return found[0] if found else None

    def list(self, owner: str) -> list[TokenRecord]:
        """See `Tokens.list`."""
        with self._query() as db:
            return _select(db, "owner = ? ORDER BY created_at, id", owner)

    def revoke(self, owner: str, token_id: str, now: int) -> TokenRecord | None:
        """See `Tokens.revoke`."""
        with self._transaction() as db:
            db.execute(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE owner = ? AND id = ?",
                (now, owner, token_id),
            )
            found = _select(db, "owner = ? AND id = ?", owner, token_id)
        return found[0] if found else None

    def rotate(self, owner: str, token_id: str, new: TokenRecord, old_until: int) -> TokenRecord:
        """See `Tokens.rotate`."""
        now = new.created_at
        with self._transaction() as db:
            if owner != OPERATOR:
                self._check_owner(db, owner, now, rotating=True)
            found = _select(db, "owner = ? AND id = ?", owner, token_id)
            if not found or not found[0].valid_at(now):
                raise NoSuchToken(f"no usable token has the id {token_id!r}")
            old = found[0]
            if old.rotated_to is not None:
                raise AlreadyRotated(f"token {token_id} was rotated already, to {old.rotated_to}")
            until = old_until if old.expires_at is None else min(old.expires_at, old_until)
            db.execute(
                "UPDATE tokens SET rotated_to = ?, expires_at = ? WHERE digest = ?",
                (new.id, until, old.digest),
            )
            _insert(db, new)
        return replace(old, rotated_to=new.id, expires_at=until)

    def mark_used(self, owner: str, token_id: str, day: str) -> None:
        """See `Tokens.mark_used`."""
        with self._query() as db:
            db.execute(
                "UPDATE tokens SET last_used_on = ? "
                "WHERE owner = ? AND id = ? AND coalesce(last_used_on, '') < ?",
                (day, owner, token_id, day),
            )
