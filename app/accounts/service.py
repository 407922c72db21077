"""What people do with accounts: sign up, log in, make and rotate tokens; for the routes and the commands."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from app import tokens
from app.accounts.passwords import Passwords, TooBusyError
from app.store import (
    Account,
    AccountEnded,
    Invitation,
    InvitationRefused,
    NoSuchToken,
    Session,
    Store,
    TokenRecord,
    new_id,
    new_record,
)

OVERLAP_SECONDS = 600
MOST_OVERLAP_SECONDS = 86400
# A session that is used is extended, but not written to the store more often than that.
_EXTEND_SECONDS = 60


def sign_up(store: Store, passwords: Passwords, name: str, password: str, invitation: str | None) -> Account:
    """Make an account; `invitation` is a code, or None if none is needed.

    Raises InvitationRefused before anything is said about the name, Conflict if that is taken, TooBusyError.
    """
    now = int(time.time())
    digest = None
    if invitation is not None:
        digest = tokens.digest(invitation)
        found = store.find_invitation(digest) if tokens.well_formed(invitation, tokens.INVITATION) else None
        if found is None or found.expires_at <= now:
            raise InvitationRefused("the invitation is unknown, used or expired")
    account = Account(new_id(), name, passwords.hash(password), now)
    store.add_account(account, digest)
    return account


def invite(store: Store, seconds: int) -> tuple[str, Invitation]:
    """A code that lets one account sign up within `seconds`, and what is kept of it."""
    code = tokens.make(tokens.INVITATION)
    now = int(time.time())
    invitation = Invitation(tokens.digest(code), now, now + seconds)
    store.add_invitation(invitation)
    return code, invitation


def log_in(
    store: Store, passwords: Passwords, name: str, password: str, idle: int, longest: int
) -> tuple[str, Session] | None:
    """A new session's token and the session; None if name and password don't belong together.

    As much work, and the same answer, if there is no such account or it is disabled. Raises TooBusyError.
    """
    account = store.account_by_name(name)
    right = passwords.verify(account.password_hash if account else None, password)
    if account is None or not right or account.disabled_at is not None:
        return None
    if passwords.outdated(account.password_hash):
        with suppress(TooBusyError):  # then at the next log-in
            store.set_password_hash(account.id, account.password_hash, passwords.hash(password))
    now = int(time.time())
    token = tokens.make(tokens.SESSION)
    session = Session(
        id=new_id(),
        account=account.id,
        account_name=account.name,
        digest=tokens.digest(token),
        created_at=now,
        expires_at=now + min(idle, longest),
        ends_at=now + longest,
    )
    try:
        store.add_session(session)
    except AccountEnded:
        return None
    return token, session


def find_session(store: Store, token: str) -> Session | None:
    """The live session of a session token, or None."""
    if not tokens.well_formed(token, tokens.SESSION):
        return None
    session = store.find_session(tokens.digest(token))
    return session if session is not None and time.time() < session.expires_at else None


def extend(store: Store, session: Session, idle: int, *, at_once: bool) -> Session | None:
    """The session, lasting `idle` seconds from now (roughly, unless `at_once`); None if it has ended."""
    until = min(int(time.time()) + idle, session.ends_at)
    worth_it = 1 if at_once else min(_EXTEND_SECONDS, idle / 4)
    if until - session.expires_at < worth_it:
        return session
    return replace(session, expires_at=until) if store.extend_session(session, until) else None


def create_token(store: Store, owner: str, name: str, expires_at: int | None) -> tuple[str, TokenRecord]:
    """A new API token and its record. Raises AccountEnded, LimitReached."""
    token = tokens.make()
    record = new_record(tokens.digest(token), name, expires_at, owner)
    store.add(record)
    return token, record


def rotate_token(
    store: Store, owner: str, token_id: str, overlap: int
) -> tuple[str, TokenRecord, TokenRecord]:
    """A token in place of another, the other one (which goes on for `overlap` seconds), the new one's record.

    The new one has the old one's name and, counted from now, its lifetime. Raises NoSuchToken,
    AlreadyRotated, AccountEnded, LimitReached.
    """
    old = next((record for record in store.list(owner) if record.id == token_id), None)
    if old is None:
        raise NoSuchToken(f"no token has the id {token_id!r}")
    now = int(time.time())
    lifetime = None if old.expires_at is None else old.expires_at - old.created_at
    token = tokens.make()
    new = new_record(tokens.digest(token), old.name, None if lifetime is None else now + lifetime, owner, now)
    return token, store.rotate(owner, token_id, new, now + overlap), new
