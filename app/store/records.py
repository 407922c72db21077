"""What the store keeps: never a token, a password or an invitation code itself, only their hashes.

All times are whole seconds since 1970, UTC.
"""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import dataclass, field

OPERATOR = "operator"  # owner of the tokens that are made on the command line; no account has this id

# Live records an account may have. Ending an account ends all of them in one transaction, and DynamoDB's hold
# 100 items: 30 tokens and 10 sessions, two items each, and the account itself.
MOST_TOKENS = 20
MOST_TOKENS_ROTATING = 30  # with those that only live on until their rotation's overlap is over
MOST_SESSIONS = 10
# Ended tokens that stay on an account's list, newest first; and how long any ended token is kept.
ENDED_TOKENS_LISTED = 20
KEEP_ENDED_SECONDS = 30 * 86400
# After that long without another attempt, earlier ones are forgotten.
ATTEMPTS_SECONDS = 3600


def new_id() -> str:
    """An id for a record: 16 hexadecimal digits."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class TokenRecord:
    """What is known of an API token.

    `owner`: OPERATOR or an account's id. `rotated_to`: id of the token that takes its place.
    `last_used_on`: the day (UTC, `2030-01-31`), known to listings only: look-ups by digest leave it out.
    """

    id: str
    owner: str
    name: str
    digest: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    rotated_to: str | None = None
    last_used_on: str | None = field(default=None, compare=False)

    def valid_at(self, now: float) -> bool:
        """Whether the token may be used at `now` (seconds since 1970)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class Account:
    """Somebody who may log in. Names are unique without regard to case."""

    id: str
    name: str
    password_hash: str = field(repr=False)
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True)
class Session:
    """A log-in: ends at `expires_at` unless it is used before, and at `ends_at` whatever happens."""

    id: str
    account: str
    account_name: str
    digest: str
    created_at: int
    expires_at: int
    ends_at: int


@dataclass(frozen=True)
class Invitation:
    """Lets one account sign up, once, until `expires_at`."""

    digest: str
    created_at: int
    expires_at: int


@dataclass(frozen=True)
class Attempts:
    """How many attempts something has seen lately, and when the last one was (seconds since 1970)."""

    count: int = 0
    last_at: int = 0

    def wait(self, free: int, longest: int, now: float) -> int:
        """Seconds until another attempt may be made: 0 for `free` ones, then doubling up to `longest`."""
        if self.count < free:
            return 0
        delay = min(1 << min(self.count - free, 30), longest)
        return max(0, min(math.ceil(self.last_at + delay - now), longest))


def new_record(
    digest: str, name: str, expires_at: int | None, owner: str = OPERATOR, now: int | None = None
) -> TokenRecord:
    """A record for a new token, with an id of its own."""
    return TokenRecord(
        id=new_id(),
        owner=owner,
        name=name,
        digest=digest,
        created_at=int(time.time()) if now is None else now,
        expires_at=expires_at,
    )
