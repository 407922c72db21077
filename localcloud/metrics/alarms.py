"""Alarms: their evaluation on time, and who hears of their changes.

MiniStack keeps and describes them, and carries composite alarms; evaluation is this module's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud import emulator
from localcloud.metrics import clock, evaluation, suppression
from localcloud.metrics.definition import AlarmError, check, check_actions, complete, nested

log = logging.getLogger("localcloud.metrics")

#: Called with the alarm, its old and new state and the reason; the alarm's account and region are set.
Subscriber = Callable[[dict[str, Any], str, str, str], None]

#: As many changes are remembered of all alarms of a region.
_HISTORY = 2000


_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> None:
    """Call `subscriber(alarm, old, new, reason)` whenever an alarm changes its state, whatever changed it.

    To be called after `install`; it is called on the event loop, after the record has changed.
    """
    _subscribers.append(subscriber)


def recent(alarm: Mapping[str, Any]) -> list[float | None]:
    """The datapoints of an alarm's last evaluation periods, oldest first; None is a missing one.

    Needs the alarm's account and region to be set. Raises ExpressionError.
    """
    return evaluation.datapoints(alarm, time.time())[-int(alarm["EvaluationPeriods"]) :]


class Alarms:
    """The alarms of all regions; made on the event loop."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        _subscribers.clear()
        #: Until when the state that a client set is left alone, by the alarm's ARN.
        self._held: dict[str, float] = {}
        self._evaluating = False

    def evaluate(self, now: float, fast_only: bool) -> None:
        """Look at all alarms, or with `fast_only` at those whose period is shorter than a minute."""
        responses = emulator.module("core.responses")
        for (account, region, name), alarm in emulator.module("services.cloudwatch")._alarms.all_items():
            if fast_only and evaluation.period_of(alarm) >= 60:
                continue
            if self._held.get(alarm["AlarmArn"], 0.0) > now:
                continue
            self._held.pop(alarm["AlarmArn"], None)
            with responses.request_scope(account, region):
                try:
                    self._evaluate(alarm, now)
                except Exception:
                    # One alarm that cannot be evaluated must not stop the others.
                    log.exception("alarm %s could not be evaluated", name)

    def _evaluate(self, alarm: dict[str, Any], now: float) -> None:
        verdict = evaluation.judge(alarm, now)
        old = alarm["StateValue"]
        if verdict.state is None or verdict.state == old:
            return
        alarm.update(
            StateValue=verdict.state, StateReason=verdict.reason,
            StateReasonData=json.dumps(verdict.data, separators=(",", ":")),
            StateUpdatedTimestamp=int(now), StateTransitionedTimestamp=int(now),
        )  # fmt: skip
        cloudwatch = emulator.module("services.cloudwatch")
        self._evaluating = True
        try:
            cloudwatch._record_history(
                alarm["AlarmName"], old, verdict.state, verdict.reason, "MetricAlarm", verdict.data
            )
            cloudwatch._dispatch_alarm_actions(alarm, old, verdict.state, verdict.reason)
            cloudwatch._evaluate_parent_alarms(alarm)
        finally:
            self._evaluating = False

    def noted(self, name: str, old: str, new: str) -> None:
        """A change of state is in the history: tell the subscribers."""
        cloudwatch = emulator.module("services.cloudwatch")
        del cloudwatch._history_entries()[:-_HISTORY]
        alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
        if alarm is None or old == new:
            return
        log.info("alarm %s: %s -> %s: %s", name, old, new, alarm["StateReason"])
        if not self._evaluating:
            # SetAlarmState: it lasts until the next evaluation, a minute from now.
            self._held[alarm["AlarmArn"]] = time.time() + clock.seconds(60)
        if threading.get_ident() == self._thread:
            self._tell(alarm, old, new, alarm["StateReason"])
            return
        # Templates are carried out on threads of their own.
        responses = emulator.module("core.responses")
        where = responses.get_account_id(), responses.get_region()

        def tell(reason: str) -> None:
            with responses.request_scope(*where):
                self._tell(alarm, old, new, reason)

        self._loop.call_soon_threadsafe(tell, alarm["StateReason"])

    def resume(self) -> None:
        """Go on with what was saved."""
        self._suppression.arm_all()

    def _tell(self, alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
        self._changed()
        for subscriber in (self._suppression.follow, *_subscribers):
            try:
                subscriber(alarm, old, new, reason)
            except Exception:
                log.exception("what follows from alarm %s failed", alarm["AlarmName"])

    def install(self) -> None:
        """Take the evaluation over from MiniStack."""
        cloudwatch = emulator.module("services.cloudwatch")
        record, put, composite, delete = (
            cloudwatch._record_history, cloudwatch._put_metric_alarm, cloudwatch._put_composite_alarm,
            cloudwatch._delete_alarms,
        )  # fmt: skip
        held = self._suppression = suppression.Suppression(cloudwatch._dispatch_alarm_actions, self._changed)

        def recorded(name: str, old: str, new: str, *more: Any, **named: Any) -> None:
            record(name, old, new, *more, **named)
            self.noted(name, old, new)

        def put_metric(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
            if not (is_cbor or is_json):
                data = nested(params)
            try:
                check(data)
            except AlarmError as exc:
                return cloudwatch._error("ValidationError", str(exc), 400, is_json, is_cbor)
            if not data.get("Metrics"):
                answer = put(params, data, is_cbor, is_json)
                if answer[0] < 400:
                    complete(cloudwatch._alarms[data["AlarmName"]], data)
                return answer
            # MiniStack knows alarms on one metric only.
            answer = put({}, {key: value for key, value in data.items() if key != "Metrics"}, is_cbor, is_json
                         or not is_cbor)  # fmt: skip
            if answer[0] >= 400:
                return answer
            complete(cloudwatch._alarms[data["AlarmName"]], data)
            return answer if is_cbor or is_json else cloudwatch._xml(200, "PutMetricAlarmResponse", "")

        def put_composite(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
            given = data if is_cbor or is_json else nested(params)
            try:
                check_actions(given)
                return held.put(
                    given.get("AlarmName", ""), given, lambda: composite(params, data, is_cbor, is_json)
                )
            except (AlarmError, suppression.SuppressorError) as exc:
                return cloudwatch._error("ValidationError", str(exc), 400, is_json, is_cbor)

        def delete_alarms(*arguments: Any, **named: Any) -> Any:
            answer = delete(*arguments, **named)
            suppression.forget_deleted()
            return answer

        cloudwatch._record_history = recorded
        cloudwatch._put_metric_alarm = put_metric
        cloudwatch._put_composite_alarm = put_composite
        cloudwatch._delete_alarms = delete_alarms
        cloudwatch._dispatch_alarm_actions = held.dispatch
        cloudwatch._evaluate_alarm = lambda _: None
        cloudwatch._evaluate_all_alarms = lambda: None
