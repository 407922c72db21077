"""Counts of attempts in SQLite."""

from __future__ import annotations

from app.store.records import ATTEMPTS_SECONDS, Attempts
from app.store.sqlite.file import SQLiteFile


class SQLiteAttempts(SQLiteFile):
    """`app.store.AttemptCounts`."""

    def attempt(self, key: str, free: int, longest: int, now: int) -> int:
        """See `AttemptCounts.attempt`."""
        with self._transaction() as db:
            db.execute("DELETE FROM attempts WHERE expires_at <= ?", (now,))
            row = db.execute("SELECT count, last_at FROM attempts WHERE key = ?", (key,)).fetchone()
            seen = Attempts(*row) if row else Attempts()
            wait = seen.wait(free, longest, now)
            if wait == 0:
                db.execute(
                    "INSERT OR REPLACE INTO attempts (key, count, last_at, expires_at) VALUES (?, ?, ?, ?)",
                    (key, seen.count + 1, now, now + max(ATTEMPTS_SECONDS, longest)),
                )
        return wait

    def forgive(self, key: str, *, everything: bool) -> None:
        """See `AttemptCounts.forgive`."""
        with self._query() as db:
            if everything:
                db.execute("DELETE FROM attempts WHERE key = ?", (key,))
            else:
                db.execute("UPDATE attempts SET count = count - 1 WHERE key = ? AND count > 0", (key,))

    def remember(self, key: str, until: int) -> None:
        """See `AttemptCounts.remember`."""
        with self._query() as db:
            db.execute("INSERT OR REPLACE INTO remembered (key, expires_at) VALUES (?, ?)", (key, until))

    def remembers(self, key: str, now: int) -> bool:
        """See `AttemptCounts.remembers`."""
        with self._transaction() as db:
            db.execute("DELETE FROM remembered WHERE expires_at <= ?", (now,))
            return db.execute("SELECT 1 FROM remembered WHERE key = ?", (key,)).fetchone() is not None
