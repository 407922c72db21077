"""Alarms: what they may be, their evaluation on time, and who hears of their changes.

MiniStack keeps and describes them, and carries composite alarms; evaluation is this module's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcloud import emulator
from localcloud.metrics import clock, evaluation, suppression
from localcloud.metrics.distribution import percentage
from localcloud.metrics.expression import parse
from localcloud.metrics.functions import ExpressionError

log = logging.getLogger("localcloud.metrics")

#: Called with the alarm, its old and new state and the reason; the alarm's account and region are set.
Subscriber = Callable[[dict[str, Any], str, str, str], None]

_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
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


class AlarmError(ValueError):
    """An alarm that cannot be; the message says why."""


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


#: What belongs to an alarm on a single metric.
_SINGLE = ("Dimensions", "ExtendedStatistic", "MetricName", "Namespace", "Period", "Statistic", "Unit")


def complete(alarm: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Put into an alarm's record what MiniStack leaves out of it."""
    if given.get("Metrics"):
        for key in _SINGLE:
            alarm.pop(key, None)
        # A template may have strings for numbers and truths.
        alarm["Metrics"] = [
            {**query, "ReturnData": _true(query.get("ReturnData", True))} for query in given["Metrics"]
        ]
        for stat in (query["MetricStat"] for query in alarm["Metrics"] if query.get("MetricStat")):
            stat["Period"] = int(stat["Period"])
    for key in ("EvaluateLowSampleCountPercentile", "EvaluationWindow", "ThresholdMetricId"):
        if key in given:
            alarm[key] = given[key]


def check(alarm: Mapping[str, Any]) -> None:
    """Refuse an alarm that could not be evaluated, or could not act. Raises AlarmError."""
    check_actions(alarm)
    if problem := evaluation.comparison_problem(str(alarm.get("ComparisonOperator"))):
        raise AlarmError(problem)
    if alarm.get("TreatMissingData") not in (None, "", "missing", "ignore", "breaching", "notBreaching"):
        raise AlarmError(f"TreatMissingData cannot be {alarm['TreatMissingData']}")
    wall = (alarm.get("EvaluationWindow") or {}).get("WallClockWindow") or {}
    if wall.get("Timezone") not in (None, "", "UTC"):
        raise AlarmError(f"the local cloud's wall clock windows are in UTC, not in {wall['Timezone']}")
    periods = int(alarm.get("EvaluationPeriods") or 1)
    if int(alarm.get("DatapointsToAlarm") or periods) > periods:
        raise AlarmError("DatapointsToAlarm must not be greater than EvaluationPeriods")
    if queries := alarm.get("Metrics"):
        check_queries(queries)
    else:
        _check_statistic(str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"))


def check_actions(alarm: Mapping[str, Any]) -> None:
    """Refuse actions in another region than the alarm's. Raises AlarmError."""
    lists = (alarm.get(name) or [] for name in ("AlarmActions", "OKActions", "InsufficientDataActions"))
    for parts in (str(arn).split(":") for actions in lists for arn in actions):
        here = emulator.module("core.responses").get_region()
        if len(parts) > 3 and parts[3] not in ("", here):
            raise AlarmError(f"Invalid region {parts[3]} specified. Only {here} is supported.")


def check_queries(queries: Sequence[Mapping[str, Any]]) -> None:
    """Refuse metric data queries that do not give one series. Raises AlarmError."""
    for query in queries:
        if query.get("MetricStat"):
            _check_statistic(query["MetricStat"]["Stat"])
    if sum(_true(query.get("ReturnData", True)) for query in queries) != 1:
        raise AlarmError("exactly one of the Metrics must have ReturnData true")
    _check_expressions(queries)


def _check_statistic(statistic: str) -> None:
    if statistic not in _STATISTICS and percentage(statistic) is None:
        raise AlarmError(f"the local cloud has no statistic {statistic}; it has {', '.join(_STATISTICS)} "
                         "and percentiles such as p99")  # fmt: skip


def _check_expressions(queries: Sequence[Mapping[str, Any]]) -> None:
    ids = {query["Id"] for query in queries}
    for query in queries:
        if not query.get("Expression"):
            continue
        try:
            unknown = parse(query["Expression"]).ids - ids
        except ExpressionError as exc:
            raise AlarmError(str(exc)) from exc
        if unknown:
            raise AlarmError(
                f"expression {query['Id']} names {', '.join(sorted(unknown))}, which is not there"
            )


def _true(value: Any) -> bool:
    return str(value).lower() != "false"


def nested(params: Mapping[str, Any]) -> dict[str, Any]:
    """A request of the Query protocol as the others have it: `A.member.1.B=x` is {"A": [{"B": "x"}]}."""
    found: dict[str, Any] = {}
    for name, values in params.items():
        place = found
        *path, last = name.split(".")
        for part in path:
            place = place.setdefault(part, {})
        place[last] = values[0] if isinstance(values, list) else values
    listed: dict[str, Any] = _listed(found)
    return listed


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"member"}:
        return [_listed(each) for _, each in sorted(value["member"].items(), key=lambda item: int(item[0]))]
    return {key: _listed(each) for key, each in value.items()}
