"""The account and the token that a run of the probe makes for itself, and removes whatever happens.

The account has one of a few names, which nobody can sign up with. One that a killed probe left behind is
removed by the next probe that finds it, once its token has expired; until then that one takes another name.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.accounts import service
from app.accounts.passwords import Passwords
from app.store import Account, Conflict, Store, StoreError, TokenRecord, new_id

NAMES = tuple(f"probe:{number}" for number in range(1, 9))
_REMOVALS = 3


class VisitorError(Exception):
    """There can be no account now, or it could not be removed; the message says why and what follows."""


@contextmanager
def visitor(store: Store, seconds: int) -> Iterator[tuple[str, TokenRecord]]:
    """A token, good for `seconds` at most, and its record. Raises StoreError and VisitorError."""
    account = Account(new_id(), "", Passwords(1).hash(secrets.token_urlsafe(24)), int(time.time()))
    try:
        _add(store, account, seconds)
        until = int(time.time()) + seconds
        yield service.create_token(store, account.id, "probe", until)
    finally:
        _remove(store, account.id, seconds)


def _add(store: Store, account: Account, seconds: int) -> None:
    for name in NAMES:
        left = store.account_by_name(name)
        if left is not None and left.created_at + seconds < account.created_at:
            store.delete_account(left.id, account.created_at)
            left = None
        if left is None:
            try:
                store.add_account(Account(account.id, name, account.password_hash, account.created_at))
            except Conflict:
                continue  # another probe was faster
            return
    raise VisitorError(
        f"{len(NAMES)} probes run already, or were killed in the last {seconds} s; try again later"
    )


def _remove(store: Store, account_id: str, seconds: int) -> None:
    for attempt in range(_REMOVALS):
        try:
            store.delete_account(account_id, int(time.time()))
        except StoreError as error:
            if attempt == _REMOVALS - 1:
                raise VisitorError(
                    f"the probe's account could not be removed: {error}. Its token expires within {seconds} "
                    "s, and a later probe removes the account"
                ) from error
            time.sleep(1)
        else:
            return
