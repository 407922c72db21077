"""Where tokens are kept: one protocol, two backends (SQLite, DynamoDB), one conformance suite for both."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.settings import Settings

OPERATOR = "operator"  # owner of the tokens that are made on the command line


class StoreError(Exception):
    """The store cannot do what was asked; the message is for people."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, not a mistake
    """The store did not answer (in time), or answered that it cannot at the moment."""


class Conflict(StoreError):  # noqa: N818
    """A record with that id or digest exists."""


@dataclass(frozen=True)
class TokenRecord:
    """What is known of a token; never the token itself. Times are whole seconds since 1970, UTC."""

    id: str
    owner: str
    name: str
    digest: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def valid_at(self, now: float) -> bool:
        """Whether the token may be used at `now` (seconds since 1970)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Store(Protocol):
    """A token store. Every method may block for a few time-outs; StoreUnavailable if it cannot answer.

    Safe to use from several threads, and by several processes that each opened their own.
    """

    def ping(self) -> None:
        """Return when the store can answer look-ups; also warms whatever the first look-up would wait for."""

    def add(self, record: TokenRecord) -> None:
        """Keep `record`; raises Conflict if its id (per owner) or digest exists."""

    def find(self, digest: str) -> TokenRecord | None:
        """The record with that digest, expired and revoked ones included (the caller checks), or None."""

    def list(self, owner: str) -> list[TokenRecord]:
        """All records of `owner`, oldest first."""

    def revoke(self, owner: str, token_id: str, now: int) -> TokenRecord | None:
        """Mark the token revoked at `now` and return it (a first revocation's time stands), or None."""

    def close(self) -> None:
        """Let go of connections and files."""


def new_record(digest: str, name: str, expires_at: int | None, owner: str = OPERATOR) -> TokenRecord:
    """A record for a new token, with an id of its own."""
    return TokenRecord(
        id=secrets.token_hex(8),
        owner=owner,
        name=name,
        digest=digest,
        created_at=int(time.time()),
        expires_at=expires_at,
    )


def open_store(settings: Settings) -> Store:
    """The store that the settings choose. Imports boto3 only for the one that needs it."""
    if settings.store == "dynamodb":
        from app.store.dynamodb import DynamoDBStore

        return DynamoDBStore(settings.dynamodb_table, timeout=settings.store_timeout_seconds)
    from app.store.sqlite import SQLiteStore

    return SQLiteStore(settings.sqlite_path, timeout=settings.store_timeout_seconds)
