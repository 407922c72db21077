"""What views share: the store, the source of a request, and the session it carries."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import cast

from flask import current_app, request

from app import tokens
from app.accounts import service
from app.accounts.passwords import Passwords
from app.accounts.throttle import Throttle
from app.http import Request
from app.problems import Problem, retry_later, unauthorized
from app.settings import Settings
from app.store import Session, Store
from app.web import cookies
from app.wsgi import REQUEST


def settings() -> Settings:
    """The process's settings."""
    return cast(Settings, current_app.config["SETTINGS"])


def store() -> Store:
    """The process's store. Raises Problem (503) before it was opened."""
    opened: Store | None = current_app.config.get("STORE")
    if opened is None:
        raise retry_later("store-unavailable", "The store is not open yet.", 1)
    return opened


def passwords() -> Passwords:
    """What hashes passwords in this process."""
    return cast(Passwords, current_app.config["PASSWORDS"])


def throttle() -> Throttle:
    """What slows down guessing in this process."""
    return cast(Throttle, current_app.config["THROTTLE"])


def shared() -> Request | None:
    """The request as the layer around Flask knows it; None with Flask's test client."""
    return cast(Request | None, request.environ.get(REQUEST))


def source() -> str:
    """The network that the request came from."""
    outer = shared()
    return outer.source.network if outer else request.remote_addr or ""


def must_wait(seconds: int) -> Problem:
    """429 with `Retry-After`."""
    return Problem(
        "too-many-attempts",
        "Too many attempts; wait before the next one.",
        (("Retry-After", str(max(1, math.ceil(seconds)))),),
    )


def bearer() -> str | None:
    """The token of the Authorization header, or None without one. Raises Problem (401) for other schemes."""
    value = request.headers.get("Authorization")
    if value is None:
        return None
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("The Authorization header must be `Bearer TOKEN`.", presented=False)
    return token.strip()


def current_session(*, refresh: bool = False) -> Session:
    """The session that the request carries, extended; at once with `refresh`. Raises Problem (401, 403).

    It is in the header, or else in the console's cookie.
    """
    token = bearer() or cookies.token()
    if token is None:
        raise unauthorized(
            "Log in and send the session's token: `Authorization: Bearer TOKEN`.", presented=False
        )
    return session_of(token, refresh=refresh)


def session_of(token: str, *, refresh: bool = False) -> Session:
    """The session that has this token, extended; at once with `refresh`. Raises Problem (401)."""
    if not tokens.well_formed(token, tokens.SESSION):
        kind = "an API token" if tokens.well_formed(token) else "not a token of this service"
        raise unauthorized(f"This route takes a session's token, and this is {kind}.", presented=True)
    found = service.find_session(store(), token)
    if found is not None:
        found = service.extend(store(), found, int(settings().session_idle_seconds), at_once=refresh)
    if found is None:
        raise unauthorized("The session is unknown or has ended; log in again.", presented=True)
    outer = shared()
    if outer is not None:
        outer.token_id = found.id  # for the access log
    return found


def iso(moment: int | None) -> str | None:
    """A time (seconds since 1970) as the API shows it: `2030-01-31T12:00:00Z`."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
