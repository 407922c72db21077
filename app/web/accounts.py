"""Sign-up, log-in and log-out."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from app.accounts import names, service
from app.accounts import passwords as rules
from app.accounts.passwords import TooBusyError, WeakPasswordError
from app.accounts.throttle import MustWaitError
from app.problems import CHALLENGE, Problem, retry_later, unauthorized
from app.store import Conflict, InvitationRefused, Session
from app.web import cookies, guard
from app.web.bodies import Text, invalid, members

accounts = Blueprint("accounts", __name__)

_NAME = Text(1, 128)
_SIGN_UP = {
    "name": _NAME,
    "password": Text(rules.SHORTEST, rules.LONGEST),
    "invitation": Text(1, 128, optional=True),
}
LOG_IN = {"name": _NAME, "password": Text(1, rules.LONGEST)}


def _busy() -> Problem:
    return retry_later("overloaded", "Too many passwords are being checked at once.", 1)


def _name(values: dict[str, Any]) -> str:
    name: str = values["name"]
    if not names.valid(name):
        raise invalid("name", f"must be {names.RULE}")
    return name


@accounts.post("/accounts")
def sign_up() -> tuple[dict[str, Any], int]:
    """Make an account, as far as the sign-up policy allows."""
    policy = guard.settings().sign_up
    if policy == "closed":
        raise Problem("sign-up-closed", "An operator makes the accounts here.")
    values = members(_SIGN_UP)
    name, password, invitation = _name(values), values["password"], values["invitation"]
    try:
        guard.throttle().sign_up(guard.store(), guard.source())
        if policy == "invite" and invitation is None:
            raise InvitationRefused
        rules.check(password, name)
        account = service.sign_up(
            guard.store(), guard.passwords(), name, password, invitation if policy == "invite" else None
        )
    except MustWaitError as error:
        raise guard.must_wait(error.seconds) from None
    except InvitationRefused:
        raise Problem(
            "invitation-refused", "The member `invitation` must be a code that is neither used nor expired."
        ) from None
    except WeakPasswordError as error:
        raise Problem("weak-password", str(error)) from None
    except Conflict:
        raise Problem("name-taken", "There is an account of that name; choose another.") from None
    except TooBusyError:
        raise _busy() from None
    return {"id": account.id, "name": account.name, "created_at": guard.iso(account.created_at)}, 201


@accounts.post("/sessions")
def log_in() -> tuple[dict[str, Any], int]:
    """Log in with name and password; without a body, extend the session whose token is sent."""
    if not request.get_data():
        return _refresh(), 200
    token, session = log_in_with(members(LOG_IN))
    return {
        "id": session.id,
        "account": session.account_name,
        "token": token,
        "expires_at": guard.iso(session.expires_at),
        "ends_at": guard.iso(session.ends_at),
    }, 201


def log_in_with(values: dict[str, Any]) -> tuple[str, Session]:
    """A new session and its token, for the members of `LOG_IN`. Raises Problem (401, 422, 429, 503)."""
    name, settings, store, throttle = _name(values), guard.settings(), guard.store(), guard.throttle()
    try:
        this = throttle.log_in(store, name, guard.source())
        made = service.log_in(
            store,
            guard.passwords(),
            name,
            values["password"],
            int(settings.session_idle_seconds),
            int(settings.session_seconds),
        )
    except MustWaitError as error:
        raise guard.must_wait(error.seconds) from None
    except TooBusyError:
        for key in this.counted:
            store.forgive(key, everything=False)
        raise _busy() from None
    if made is None:
        raise Problem(
            "invalid-credentials",
            "There is no such account with that password.",
            (("WWW-Authenticate", CHALLENGE),),
        )
    throttle.logged_in(store, this)
    return made


def _refresh() -> dict[str, Any]:
    if request.headers.get("Authorization") is None and cookies.token() is None:
        raise unauthorized("Send name and password, or the token of a session to extend.", presented=False)
    session = guard.current_session(refresh=True)
    return {
        "id": session.id,
        "account": session.account_name,
        "expires_at": guard.iso(session.expires_at),
        "ends_at": guard.iso(session.ends_at),
    }


@accounts.delete("/sessions/current")
def log_out() -> tuple[str, int]:
    """End the session; its token is refused from now on, everywhere."""
    guard.store().end_session(guard.current_session())
    return "", 204
