"""The embedded store: one SQLite file in WAL mode, safe for all workers and the command line at once."""

from app.store.sqlite.accounts import SQLiteAccounts
from app.store.sqlite.attempts import SQLiteAttempts
from app.store.sqlite.tokens import SQLiteTokens


class SQLiteStore(SQLiteTokens, SQLiteAccounts, SQLiteAttempts):
    """`app.store.Store` in the file `path`, which is created (mode 0600) when missing.

    `timeout` is how many seconds another process's write is waited for.
    """
