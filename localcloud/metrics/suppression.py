"""Actions that a composite alarm does not take while its suppressor is in ALARM, and around that time.

A change of state waits `ActionsSuppressorWaitPeriod` for the suppressor; when that leaves ALARM, actions wait
`ActionsSuppressorExtensionPeriod` more. What was held back then follows the state that the alarm is in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud import emulator
from localcloud.metrics import clock

log = logging.getLogger("localcloud.metrics")

Alarm = dict[str, Any]
#: Takes an alarm's actions: the alarm, its old and new state, the reason.
Act = Callable[[Alarm, str, str, str], None]

SETTINGS = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
_SHOWN = ("ActionsSuppressedBy", "ActionsSuppressedReason")

#: What is held back, by the alarm's ARN: `until` (seconds since 1970, None while the suppressor is in ALARM)
#: and `old`, the state that the alarm left, None when no action is due.
HELD: dict[str, dict[str, Any]] = {}


class SuppressorError(ValueError):
    """A suppressor that cannot be; the message says why."""


def settings(given: Mapping[str, Any]) -> Alarm:
    """The suppressor's part of a composite alarm, numbers as such. Raises SuppressorError."""
    found = {name: given[name] for name in SETTINGS if given.get(name) not in (None, "")}
    if not found:
        return {}
    if missing := [name for name in SETTINGS if name not in found]:
        raise SuppressorError(f"ActionsSuppressor and its two periods belong together: {', '.join(missing)} "
                              "is missing")  # fmt: skip
    for name in SETTINGS[1:]:
        found[name] = int(found[name])
        if found[name] < 0:
            raise SuppressorError(f"{name} must not be negative")
    if _alarm(found["ActionsSuppressor"]) is None:
        raise SuppressorError(f"the actions suppressor {found['ActionsSuppressor']} does not exist")
    return found


def _alarm(reference: str) -> Alarm | None:
    """The alarm of the region that a name or an ARN stands for."""
    cloudwatch = emulator.module("services.cloudwatch")
    name = cloudwatch._rule_ref_name(reference)
    found: Alarm | None = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
    return found


def forget_deleted() -> None:
    """Drop what was held back for alarms of the region that are there no more."""
    responses = emulator.module("core.responses")
    here = f"arn:aws:cloudwatch:{responses.get_region()}:{responses.get_account_id()}:alarm:"
    for arn in [arn for arn in HELD if arn.startswith(here) and _alarm(arn) is None]:
        del HELD[arn]


class Suppression:
    """Holds actions back, and takes them when their time has come. Made on the event loop."""

    def __init__(self, act: Act, changed: Callable[[], None]) -> None:
        self._act, self._changed = act, changed
        self._loop = asyncio.get_running_loop()
        #: Settings of alarms that are being put: they change state before their record has the new ones.
        self._coming: dict[str, Alarm] = {}

    def put(self, name: str, given: Mapping[str, Any], store: Callable[[], Any]) -> Any:
        """Store a composite alarm by `store()`, with its suppressor. Raises SuppressorError."""
        wanted = settings(given)
        alarms = emulator.module("services.cloudwatch")._composite_alarms
        before = alarms.get(name) or {}
        self._coming[name] = wanted
        if wanted.get("ActionsSuppressor") != before.get("ActionsSuppressor"):
            # As documented: another suppressor ends the period under way.
            HELD.pop(before.get("AlarmArn", ""), None)
        shown = {key: before[key] for key in _SHOWN if key in before and before["AlarmArn"] in HELD}
        try:
            answer = store()
        finally:
            self._coming.pop(name, None)
        if answer[0] < 400:
            alarm = alarms[name]
            alarm.update(wanted)
            if alarm["AlarmArn"] in HELD:
                alarm.update({**shown, **{key: alarm[key] for key in _SHOWN if key in alarm}})
        return answer

    def dispatch(self, alarm: Alarm, old: str, new: str, reason: str) -> None:
        """Take the actions of a change of state, unless they are held back."""
        alarm.update(self._coming.get(alarm["AlarmName"], {}))
        if not alarm.get("ActionsSuppressor"):
            self._act(alarm, old, new, reason)
            return
        suppressor = _alarm(alarm["ActionsSuppressor"])
        if suppressor is not None and suppressor["StateValue"] == "ALARM":
            self._hold(alarm, "Alarm", None, old)
        elif wait := alarm["ActionsSuppressorWaitPeriod"]:
            self._hold(alarm, "WaitPeriod", wait, old)
        else:
            self._release(alarm)
            self._act(alarm, old, new, reason)

    def follow(self, suppressor: Alarm, old: str, new: str, reason: str) -> None:
        """An alarm changed its state: see to the composite alarms that it suppresses."""
        del reason
        for alarm in list(emulator.module("services.cloudwatch")._composite_alarms.values()):
            if not alarm.get("ActionsSuppressor") or _alarm(alarm["ActionsSuppressor"]) is not suppressor:
                continue
            due = HELD.get(alarm["AlarmArn"], {}).get("old")
            if new == "ALARM":
                self._hold(alarm, "Alarm", None, due)
            elif old == "ALARM" and (extension := alarm["ActionsSuppressorExtensionPeriod"]):
                self._hold(alarm, "ExtensionPeriod", extension, due)
            elif old == "ALARM":
                self._end(alarm)

    def _hold(self, alarm: Alarm, by: str, seconds: float | None, old: str | None) -> None:
        until = None if seconds is None else time.time() + clock.seconds(seconds)
        HELD[alarm["AlarmArn"]] = {"until": until, "old": old}
        alarm.update(ActionsSuppressedBy=by, ActionsSuppressedReason=f"Actions suppressed by {by}")
        # Templates are carried out on threads of their own.
        self._loop.call_soon_threadsafe(self._changed)
        if until is not None:
            self._loop.call_soon_threadsafe(self._arm, alarm["AlarmArn"], until)

    def _arm(self, arn: str, until: float) -> None:
        self._loop.call_later(max(0.0, until - time.time()), self._expired, arn, until)

    def arm_all(self) -> None:
        """Go on with the periods that were saved; what ended meanwhile ends now."""
        for arn, held in list(HELD.items()):
            if held["until"] is not None:
                self._arm(arn, held["until"])

    def _expired(self, arn: str, until: float) -> None:
        if HELD.get(arn, {}).get("until") != until:
            return  # Another period has taken its place.
        _, _, _, region, account, _, name = arn.split(":", 6)
        with emulator.module("core.responses").request_scope(account, region):
            alarm = emulator.module("services.cloudwatch")._composite_alarms.get(name)
            if alarm is None:
                HELD.pop(arn, None)
                return
            try:
                self._end(alarm)
            except Exception:
                log.exception("the actions of alarm %s, held back until now", name)

    def _end(self, alarm: Alarm) -> None:
        old = HELD.get(alarm["AlarmArn"], {}).get("old")
        self._release(alarm)
        if old is not None:
            self._act(alarm, old, alarm["StateValue"], alarm["StateReason"])

    def _release(self, alarm: Alarm) -> None:
        HELD.pop(alarm["AlarmArn"], None)
        for name in _SHOWN:
            alarm.pop(name, None)
        self._loop.call_soon_threadsafe(self._changed)
