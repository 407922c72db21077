"""Where accounts and tokens are kept: one protocol, two backends (SQLite, DynamoDB), one test suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.store.errors import (
    AccountEnded,
    AlreadyRotated,
    Conflict,
    InvitationRefused,
    LimitReached,
    NoSuchToken,
    StoreError,
    StoreUnavailable,
)
from app.store.records import OPERATOR, Account, Invitation, Session, TokenRecord, new_id, new_record

if TYPE_CHECKING:
    from app.settings import Settings

__all__ = [
    "OPERATOR", "Account", "AccountEnded", "AlreadyRotated", "Conflict", "Invitation", "InvitationRefused",
    "LimitReached", "NoSuchToken", "Session", "Store", "StoreError", "StoreUnavailable", "TokenRecord",
    "new_id", "new_record", "open_store",
]  # fmt: skip


class Tokens(Protocol):
    """API tokens. A look-up by digest is one read and knows of an account's end: see `disable_account`."""

    def add(self, record: TokenRecord) -> None:
        """Keep `record`; raises Conflict if its id (per owner) or digest exists.

        If the owner is an account: AccountEnded, LimitReached (MOST_TOKENS); what ended long ago goes.
        """

    def find(self, digest: str) -> TokenRecord | None:
        """The record with that digest, expired and revoked ones included (the caller checks), or None."""

    def list(self, owner: str) -> list[TokenRecord]:
        """All records of `owner`, oldest first."""

    def revoke(self, owner: str, token_id: str, now: int) -> TokenRecord | None:
        """Mark the token revoked at `now` and return it (a first revocation's time stands), or None."""

    def rotate(self, owner: str, token_id: str, new: TokenRecord, old_until: int) -> TokenRecord:
        """Add `new` in place of a token, which then expires at `old_until` at the latest; returns that one.

        `new.created_at` is now. Raises NoSuchToken, AlreadyRotated, AccountEnded, LimitReached.
        """

    def mark_used(self, owner: str, token_id: str, day: str) -> None:
        """Note that the token was used on `day` (`2030-01-31`); an earlier day never replaces a later one."""


class Accounts(Protocol):
    """Accounts, and the invitations that let people make one."""

    def add_account(self, account: Account, invitation: str | None = None) -> None:
        """Keep `account` and use up the invitation with that digest, both or neither.

        Raises InvitationRefused (also if the name is taken), or Conflict if the name (whatever its case) is.
        """

    def account_by_name(self, name: str) -> Account | None:
        """The account with that name, disabled ones included; as much work if there is none."""

    def accounts(self) -> list[Account]:
        """All accounts, oldest first. Reads everything there is: for operators."""

    def set_password_hash(self, account_id: str, old: str, new: str) -> None:
        """Replace the hash if it still is `old`."""

    def disable_account(self, account_id: str, now: int) -> Account | None:
        """Disable the account, revoke its tokens, end its sessions: all or nothing. Returns it, or None."""

    def enable_account(self, account_id: str) -> Account | None:
        """Let the account log in again. What `disable_account` ended stays ended."""

    def delete_account(self, account_id: str, now: int) -> bool:
        """Disable the account, then remove every trace of it. Can be repeated when it was cut short."""

    def add_invitation(self, invitation: Invitation) -> None:
        """Keep an invitation."""

    def find_invitation(self, digest: str) -> Invitation | None:
        """The invitation with that digest unless it was used; expired ones included (the caller checks)."""


class Sessions(Protocol):
    """Log-ins. Read from the store on every use, never cached: few requests need one."""

    def add_session(self, session: Session) -> None:
        """Keep `session`; beyond MOST_SESSIONS the account's oldest one ends. Raises AccountEnded."""

    def find_session(self, digest: str) -> Session | None:
        """The session with that digest, expired ones included (the caller checks), or None."""

    def extend_session(self, session: Session, expires_at: int) -> bool:
        """Let the session last until `expires_at`; false if it has ended meanwhile."""

    def end_session(self, session: Session) -> None:
        """End the session."""


class AttemptCounts(Protocol):
    """Counts of attempts that all processes share. A key is any text of up to 200 characters."""

    def attempt(self, key: str, free: int, longest: int, now: int) -> int:
        """Count an attempt and return 0, or return how many seconds to wait first (see `Attempts.wait`)."""

    def forgive(self, key: str, *, everything: bool) -> None:
        """Take back one attempt, or all of them."""

    def remember(self, key: str, until: int) -> None:
        """Keep `key` in mind until then."""

    def remembers(self, key: str, now: int) -> bool:
        """Whether `key` is kept in mind at `now`."""


class Store(Tokens, Accounts, Sessions, AttemptCounts, Protocol):
    """The store. Every method may block for a few time-outs; StoreUnavailable if it cannot answer.

    Safe to use from several threads, and by several processes that each opened their own.
    """

    def ping(self) -> None:
        """Return when the store can answer look-ups; also warms whatever the first look-up would wait for."""

    def close(self) -> None:
        """Let go of connections and files."""


def open_store(settings: Settings) -> Store:
    """The store that the settings choose. Imports boto3 only for the one that needs it."""
    if settings.store == "dynamodb":
        from app.store.dynamodb import DynamoDBStore

        return DynamoDBStore(settings.dynamodb_table, timeout=settings.store_timeout_seconds)
    from app.store.sqlite import SQLiteStore

    return SQLiteStore(settings.sqlite_path, timeout=settings.store_timeout_seconds)
