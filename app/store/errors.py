"""Why the store did not do what was asked."""
# ruff: noqa: N818 - these are answers, not mistakes

from __future__ import annotations


class StoreError(Exception):
    """The store cannot do what was asked; the message is for people."""


class StoreUnavailable(StoreError):
    """The store did not answer (in time), or answered that it cannot at the moment."""


class Conflict(StoreError):
    """A record with that id, digest or name exists, or it changed meanwhile."""


class AccountEnded(StoreError):
    """There is no such account, or it is disabled."""


class LimitReached(StoreError):
    """The account has as many tokens as it may have."""


class InvitationRefused(StoreError):
    """The invitation is unknown, used or expired."""


class NoSuchToken(StoreError):
    """The owner has no such token, or it has expired or was revoked."""


class AlreadyRotated(StoreError):
    """The token was rotated before; it only lives on until the overlap is over."""
