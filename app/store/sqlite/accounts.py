"""Accounts, invitations and sessions in SQLite."""

from __future__ import annotations

import sqlite3

from app.store import records
from app.store.errors import Conflict, InvitationRefused
from app.store.records import Account, Invitation, Session
from app.store.sqlite.file import SQLiteFile
from app.store.sqlite.tokens import check_enabled

_ACCOUNT = "id, name, password_hash, created_at, disabled_at"
_SESSION = "id, account, account_name, digest, created_at, expires_at, ends_at"


def _select(db: sqlite3.Connection, where: str, *values: object) -> list[Account]:
    rows = db.execute(f"SELECT {_ACCOUNT} FROM accounts WHERE {where}", values).fetchall()  # noqa: S608 - `where` is a constant
    return [Account(*row) for row in rows]


class SQLiteAccounts(SQLiteFile):
    """`app.store.Accounts` and `app.store.Sessions`."""

    def add_account(self, account: Account, invitation: str | None = None) -> None:
        """See `Accounts.add_account`."""
        with self._transaction() as db:
            if invitation is not None:
                used = db.execute(
                    "DELETE FROM invitations WHERE digest = ? AND expires_at > ?",
                    (invitation, account.created_at),
                )
                if used.rowcount != 1:
                    raise InvitationRefused("the invitation is unknown, used or expired")
            if _select(db, "folded = ?", account.name.lower()):
                raise Conflict(f"an account named {account.name!r} exists")
            db.execute(
                "INSERT INTO accounts (id, name, folded, password_hash, created_at, disabled_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (account.id, account.name, account.name.lower(), account.password_hash, account.created_at,
                 account.disabled_at),
            )  # fmt: skip

    def account_by_name(self, name: str) -> Account | None:
        """See `Accounts.account_by_name`."""
        with self._query() as db:
            found = _select(db, "folded = ?", name.lower())
        return found[0] if found else None

    def accounts(self) -> list[Account]:
        """See `Accounts.accounts`."""
        with self._query() as db:
            return _select(db, "true ORDER BY created_at, id")

    def set_password_hash(self, account_id: str, old: str, new: str) -> None:
        """See `Accounts.set_password_hash`."""
        with self._query() as db:
            db.execute(
                "UPDATE accounts SET password_hash = ? WHERE id = ? AND password_hash = ?",
                (new, account_id, old),
            )

    def disable_account(self, account_id: str, now: int) -> Account | None:
        """See `Accounts.disable_account`."""
        with self._transaction() as db:
            return self._disable(db, account_id, now)

    @staticmethod
    def _disable(db: sqlite3.Connection, account_id: str, now: int) -> Account | None:
        db.execute(
            "UPDATE accounts SET disabled_at = coalesce(disabled_at, ?) WHERE id = ?", (now, account_id)
        )
        db.execute(
            "UPDATE tokens SET revoked_at = ? WHERE owner = ? AND revoked_at IS NULL "
            "AND (expires_at IS NULL OR expires_at > ?)",
            (now, account_id, now),
        )
        db.execute("DELETE FROM sessions WHERE account = ?", (account_id,))
        found = _select(db, "id = ?", account_id)
        return found[0] if found else None

    def enable_account(self, account_id: str) -> Account | None:
        """See `Accounts.enable_account`."""
        with self._transaction() as db:
            db.execute("UPDATE accounts SET disabled_at = NULL WHERE id = ?", (account_id,))
            found = _select(db, "id = ?", account_id)
        return found[0] if found else None

    def delete_account(self, account_id: str, now: int) -> bool:
        """See `Accounts.delete_account`."""
        with self._transaction() as db:
            if self._disable(db, account_id, now) is None:
                return False
            db.execute("DELETE FROM tokens WHERE owner = ?", (account_id,))
            db.execute("DELETE FROM accounts WHERE id = ?", (account_id,))
        return True

    def add_invitation(self, invitation: Invitation) -> None:
        """See `Accounts.add_invitation`."""
        with self._transaction() as db:
            db.execute("DELETE FROM invitations WHERE expires_at <= ?", (invitation.created_at,))
            db.execute(
                "INSERT INTO invitations (digest, created_at, expires_at) VALUES (?, ?, ?)",
                (invitation.digest, invitation.created_at, invitation.expires_at),
            )

    def find_invitation(self, digest: str) -> Invitation | None:
        """See `Accounts.find_invitation`."""
        with self._query() as db:
            row = db.execute(
                "SELECT digest, created_at, expires_at FROM invitations WHERE digest = ?", (digest,)
            ).fetchone()
        return Invitation(*row) if row else None

    def add_session(self, session: Session) -> None:
        """See `Sessions.add_session`."""
        with self._transaction() as db:
            check_enabled(db, session.account)
            db.execute("DELETE FROM sessions WHERE ends_at <= ?", (session.created_at,))
            db.execute(
                f"INSERT INTO sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
                (session.id, session.account, session.account_name, session.digest, session.created_at,
                 session.expires_at, session.ends_at),
            )  # fmt: skip
            db.execute(
                "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE account = ? "
                "AND id != ? ORDER BY created_at DESC, id LIMIT -1 OFFSET ?)",
                (session.account, session.id, records.MOST_SESSIONS - 1),
            )

    def find_session(self, digest: str) -> Session | None:
        """See `Sessions.find_session`."""
        with self._query() as db:
            row = db.execute(
                f"SELECT {_SESSION} FROM sessions WHERE digest = ?", (digest,)  # noqa: S608 - constants
            ).fetchone()  # fmt: skip
        return Session(*row) if row else None

    def extend_session(self, session: Session, expires_at: int) -> bool:
        """See `Sessions.extend_session`."""
        with self._query() as db:
            extended = db.execute(
                "UPDATE sessions SET expires_at = max(expires_at, ?) WHERE digest = ?",
                (min(expires_at, session.ends_at), session.digest),
            )
        return extended.rowcount == 1

    def end_session(self, session: Session) -> None:
        """See `Sessions.end_session`."""
        with self._query() as db:
            db.execute("DELETE FROM sessions WHERE digest = ?", (session.digest,))
