"""The drill of a token store that is away: known tokens go on, and nothing is let in unverified."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from stack.drill import commands, slow
from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import Stage

_MINUTES = 15.0
_OUTAGE_SECONDS = 240
_AT_ONCE = 100
_POLICY = "drill-store-outage"


def outage(stage: Stage) -> None:
    """Take the table away; then give it back and see that new tokens work."""
    stage.wait_for_calm("monitoring", "StoreAlarm", _MINUTES)
    unknown = stage.new_token()
    with stage.sampled((("monitoring", "StoreAlarm"),)), stage.traffic() as traffic:
        _make_known(stage)
        _take_away(stage)
        stage.wait(
            "a token that no task has seen is refused with 503",
            lambda: stage.status_of(unknown.token) == 503,
            _MINUTES,
        )

        def stands() -> bool:
            if stage.status_of(unknown.token) == 200:
                raise NotSeenError("a token was accepted that nobody can have verified")
            return stage.alarm("monitoring", "StoreAlarm") == "ALARM"

        stage.wait("StoreAlarm is ALARM", stands, _MINUTES)
        if traffic.lost:
            raise NotSeenError(f"a token that the tasks know was refused: {traffic.summary()}")
        stage.note(f"a token that the tasks know goes on: {traffic.summary()}")
        _give_back(stage)
        stage.wait("the new token is accepted", lambda: stage.status_of(unknown.token) == 200, _MINUTES)
        stage.wait_for_alarm("monitoring", "StoreAlarm", "OK", _MINUTES)
        stage.wait_for_service(_MINUTES)


def _make_known(stage: Stage) -> None:
    """Have every worker of every task verify the drill's token.

    A balancer may send one request after the other to the same worker; so many at once go to all of them.
    """
    with contextlib.ExitStack() as stack:
        answered = slow.answers(slow.many(stage, stack, _AT_ONCE, 2), 15.0)
    if set(answered) != {200}:
        raise NotSeenError(f"before anything was broken, requests were answered {dict(answered)}")
    stage.note("the drill's token is known to the tasks")


def _take_away(stage: Stage) -> None:
    if commands.run(stage.cloud, "store_outage", seconds=str(_OUTAGE_SECONDS)):
        stage.restore.callback(commands.run, stage.cloud, "store_outage", seconds="0")
        stage.note("the table is away")
        return
    if stage.cloud.environment.endpoint is not None:
        raise NotHereError(f"{stage.cloud.environment.file} has no [drills] store_outage command")
    # A denial counts before every permission; it is in effect within seconds.
    role = stage.resource("service", "TaskRole")
    denial = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}],
    }
    iam = stage.cloud.client("iam")
    iam.put_role_policy(RoleName=role, PolicyName=_POLICY, PolicyDocument=json.dumps(denial))
    stage.restore.callback(_undo, iam, role)
    stage.note("the tasks' role is denied the table")


def _give_back(stage: Stage) -> None:
    if not commands.run(stage.cloud, "store_outage", seconds="0"):
        _undo(stage.cloud.client("iam"), stage.resource("service", "TaskRole"))
    stage.note("the table is back")


def _undo(iam: Any, role: str) -> None:
    """Take the denial away; where it is gone already, that is what was wanted."""
    try:
        iam.delete_role_policy(RoleName=role, PolicyName=_POLICY)
    except iam.exceptions.NoSuchEntityException:
        return


DRILLS = (
    Drill(
        "store-outage",
        "The table with the tokens is away.",
        "Tokens in use go on, others get 503 and never 200; the store's alarm stands; all works again after.",
        outage,
        ("StoreAlarm",),
    ),
)
