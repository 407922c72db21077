"""The drill of a token that is taken away."""

from __future__ import annotations

import time

from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import Stage
from stack.outside import access

# The objective; the service promises a minute.
_MINUTES = 5.0
# Refused so often in a row, each time on a new connection: by every task and worker that may answer.
_IN_A_ROW = 40


def revoked(stage: Stage) -> None:
    """Revoke a token that is in use, and measure until it is refused wherever it goes."""
    if not access.can_revoke(stage.cloud):
        raise NotHereError(f"{stage.cloud.environment.file} has no [token] revoke command")
    token = stage.new_token()
    for _ in range(_IN_A_ROW):
        if stage.status_of(token.token) != 200:
            raise NotSeenError("a new token was refused")
    stage.note("a new token is accepted, and known to the tasks")
    access.revoke(stage.cloud, token.id)
    begun, refused = time.monotonic(), 0
    while refused < _IN_A_ROW:
        if time.monotonic() - begun > _MINUTES * 60:
            raise NotSeenError(f"{_MINUTES:g} minutes after its revocation the token is still accepted")
        refused = refused + 1 if stage.status_of(token.token) == 401 else 0
        time.sleep(0.05)
    stage.note(f"refused everywhere {time.monotonic() - begun:.0f} s after its revocation")


DRILLS = (
    Drill(
        "revoked-token",
        "A token that is in use is revoked.",
        "It is refused by every task within five minutes (a minute, by the service's own promise).",
        revoked,
    ),
)
