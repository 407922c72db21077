"""Drills about what expires or is taken away: a revoked token, a certificate."""

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


def certificate(stage: Stage) -> None:
    """Set the certificate's alarm, as no certificate can be aged; the ticket it sends is the drill."""
    name = stage.resource("monitoring", "CertificateAlarm")
    cloudwatch = stage.cloud.cloudwatch
    stage.note(f"{name} is set to ALARM by hand: a certificate cannot be aged")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill, no real expiry")
    stage.wait_for_alarm("monitoring", "CertificateAlarm", "ALARM", 1.0)
    stage.wait(
        "its action, the ticket, was taken",
        lambda: bool(
            cloudwatch.describe_alarm_history(
                AlarmName=name, HistoryItemType="Action", StartDate=stage.began
            )["AlarmHistoryItems"]
        ),
        2.0,
    )
    # The next evaluation would do so, too; it is daily.
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="the drill is over")
    stage.wait_for_alarm("monitoring", "CertificateAlarm", "OK", 1.0)


DRILLS = (
    Drill(
        "revoked-token",
        "A token that is in use is revoked.",
        "It is refused by every task within five minutes (a minute, by the service's own promise).",
        revoked,
    ),
    Drill(
        "certificate",
        "The alarm on the certificate's last days is set by hand.",
        "Its action is taken: a ticket goes out.",
        certificate,
    ),
)
