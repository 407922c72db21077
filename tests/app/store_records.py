"""Accounts, tokens and sessions as the tests of the stores write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app import tokens
from app.store import Account, Session, Store, TokenRecord, new_record

NOW = 1_900_000_000
OpenStore = Callable[[], Store]


def account(account_id: str = "a1", **changes: object) -> Account:
    values: dict[str, object] = {
        "id": account_id,
        "name": f"Name.{account_id}",
        "password_hash": "$argon2id$...",
        "created_at": NOW,
    }
    return Account(**(values | changes))


def token(number: int, owner: str = "a1", now: int = NOW, **changes: object) -> TokenRecord:
    record = new_record(tokens.digest(f"{owner} {number}"), f"token {number}", None, owner, now)
    return replace(record, id=f"t{number}", **changes)


def session(number: int, owner: str = "a1", created_at: int = NOW) -> Session:
    return Session(
        f"s{number}", owner, f"Name.{owner}", tokens.digest(f"session {owner} {number}"), created_at,
        created_at + 900, created_at + 43200,
    )  # fmt: skip
