"""An account's API tokens."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Blueprint, request

from app.accounts import service
from app.problems import Problem, unauthorized
from app.store import AccountEnded, AlreadyRotated, LimitReached, NoSuchToken, TokenRecord
from app.store.records import MOST_TOKENS
from app.web import guard
from app.web.bodies import Text, Whole, invalid, members

tokens = Blueprint("tokens", __name__)

LONGEST_NAME = 64
MOST_DAYS = 36500
_ID = re.compile("[0-9a-f]{16}")
_CREATE: dict[str, Text | Whole] = {"name": Text(1, LONGEST_NAME), "expires_in_days": Whole(1, MOST_DAYS)}
_ROTATE = {"overlap_seconds": Whole(0, service.MOST_OVERLAP_SECONDS)}


def _shown(record: TokenRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "created_at": guard.iso(record.created_at),
        "expires_at": guard.iso(record.expires_at),
        "revoked_at": guard.iso(record.revoked_at),
        "rotated_to": record.rotated_to,
        "last_used_on": record.last_used_on,
    }


def _made(token: str, record: TokenRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "token": token,
        "created_at": guard.iso(record.created_at),
        "expires_at": guard.iso(record.expires_at),
    }


def _known(token_id: str) -> str:
    """The id, if it can be one. Raises Problem (404): the store need not see what strangers make up."""
    if not _ID.fullmatch(token_id):
        raise Problem("not-found", "The account has no token with that id.")
    return token_id


def _too_many() -> Problem:
    return Problem("too-many-tokens", f"An account may have {MOST_TOKENS} tokens; revoke one first.")


def _ended() -> Problem:
    return unauthorized("The session is unknown or has ended; log in again.", presented=True)


@tokens.get("/tokens")
def list_tokens() -> dict[str, Any]:
    """The account's tokens, oldest first, without their secrets; those that ended stay for a while."""
    session = guard.current_session()
    return {"tokens": [_shown(record) for record in guard.store().list(session.account)]}


@tokens.post("/tokens")
def create() -> tuple[dict[str, Any], int]:
    """Make a token; it is shown this once."""
    session = guard.current_session()
    values = members(_CREATE)
    name, days = values["name"], values["expires_in_days"]
    if not name.strip() or not name.isprintable():
        raise invalid("name", f"must be 1 to {LONGEST_NAME} printable characters, not only spaces")
    expires_at = None if days is None else int(time.time()) + days * 86400
    try:
        token, record = service.create_token(guard.store(), session.account, name, expires_at)
    except LimitReached:
        raise _too_many() from None
    except AccountEnded:
        raise _ended() from None
    return _made(token, record), 201


@tokens.post("/tokens/<token_id>/rotate")
def rotate(token_id: str) -> tuple[dict[str, Any], int]:
    """Make a token in the place of another, which goes on working for the overlap."""
    session = guard.current_session()
    overlap = members(_ROTATE)["overlap_seconds"] if request.get_data() else None
    if overlap is None:
        overlap = service.OVERLAP_SECONDS
    try:
        token, old, new = service.rotate_token(guard.store(), session.account, _known(token_id), overlap)
    except NoSuchToken:
        raise Problem("not-found", "The account has no usable token with that id.") from None
    except AlreadyRotated:
        raise Problem("already-rotated", "It was rotated already; rotate the one in its place.") from None
    except LimitReached:
        raise _too_many() from None
    except AccountEnded:
        raise _ended() from None
    return _made(token, new) | {"replaces": {"id": old.id, "expires_at": guard.iso(old.expires_at)}}, 201


@tokens.delete("/tokens/<token_id>")
def revoke(token_id: str) -> tuple[str, int]:
    """Revoke a token; servers notice within a minute. Revoking it again changes nothing."""
    session = guard.current_session()
    if guard.store().revoke(session.account, _known(token_id), int(time.time())) is None:
        raise Problem("not-found", "The account has no token with that id.")
    return "", 204
