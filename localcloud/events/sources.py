"""Events of ECS and CloudWatch, in AWS's words, from what happens to tasks, services and alarms."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud import metrics
from localcloud.ecs import announce
from localcloud.events import bus

log = logging.getLogger("localcloud.events")

Record = dict[str, Any]

#: Members of a task that DescribeTasks has and events do not.
_NOT_IN_EVENTS = ("tags", "enableExecuteCommand", "healthStatus", "inferenceAccelerators")


def now() -> str:
    """The time as ECS writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Sources:
    """Turns what happens into events, after what is under way has ended. Made on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        #: The last state of each alarm, by ARN, for the `previousState` of the next.
        self._states: dict[str, Record] = {}

    def listen(self) -> None:
        """Begin to hear."""
        announce.listen(self.task, self.service)
        metrics.subscribe(self.alarm)

    def mute(self) -> None:
        """Hear nothing more of ECS; the subscription to alarms ends with them."""
        announce.forget()

    def _soon(self, publish: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                publish()
            except Exception:
                # Nobody who started a task may fail because of a rule.
                log.exception("an event could not be published")

        self._loop.call_soon_threadsafe(guarded)

    def task(self, task: Record) -> None:
        """A task changed its status, or is to stop."""
        detail = task_detail(task)
        self._soon(lambda: bus.publish("aws.ecs", "ECS Task State Change", task["taskArn"], detail))

    def service(self, service: Record, kind: str, detail: Record) -> None:
        """A service did something, or a deployment of it came further; `kind` is the detail type."""
        arn = service["serviceArn"]
        whole = {**detail, "clusterArn": service["clusterArn"]}
        self._soon(lambda: bus.publish("aws.ecs", kind, arn, whole))

    def alarm(self, alarm: Record, old: str, new: str, reason: str) -> None:
        """An alarm changed its state."""
        del new, reason

        def publish() -> None:
            arn = alarm["AlarmArn"]
            before = self._states.get(arn) or {"value": old}
            state = self._states[arn] = _state(alarm)
            detail = {
                "alarmName": alarm["AlarmName"], "state": state, "previousState": before,
                "configuration": _configuration(alarm),
            }  # fmt: skip
            bus.publish("aws.cloudwatch", "CloudWatch Alarm State Change", arn, detail)

        self._soon(publish)


def task_detail(task: Record) -> Record:
    """The detail of a task's event: the task, without what is the local cloud's own."""
    found = copy.deepcopy(
        {
            key: value
            for key, value in task.items()
            if not key.startswith("_") and key not in _NOT_IN_EVENTS and value is not None
        }
    )
    for attachment in found["attachments"]:
        attachment["type"] = "eni"
    for container in found["containers"]:
        for name in ("healthStatus", "networkBindings"):
            container.pop(name, None)
    return {**found, "updatedAt": now()}


def _state(alarm: Record) -> Record:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    found = {"value": alarm["StateValue"], "reason": alarm["StateReason"], "timestamp": stamp}
    if alarm.get("StateReasonData"):
        found["reasonData"] = alarm["StateReasonData"]
    if alarm.get("ActionsSuppressedBy"):
        found["actionsSuppressedBy"] = alarm["ActionsSuppressedBy"]
        found["actionsSuppressedReason"] = alarm["ActionsSuppressedReason"]
    return found


def _configuration(alarm: Record) -> Record:
    found: Record = {}
    if alarm.get("AlarmDescription"):
        found["description"] = alarm["AlarmDescription"]
    if "AlarmRule" in alarm:
        found["alarmRule"] = alarm["AlarmRule"]
        for name in ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"):
            if name in alarm:
                found[name[:1].lower() + name[1:]] = alarm[name]
        return found
    if queries := alarm.get("Metrics"):
        return {**found, "metrics": [_query(query) for query in queries]}
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    single = {"Metric": alarm, "Period": alarm.get("Period"), "Stat": statistic}
    return {**found, "metrics": [_query({"Id": alarm["AlarmName"], "MetricStat": single})]}


def _query(query: Record) -> Record:
    found: Record = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if query.get("Expression"):
        found["expression"] = query["Expression"]
    if stat := query.get("MetricStat"):
        metric = stat["Metric"]
        dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions") or []}
        named = {"namespace": metric["Namespace"], "name": metric["MetricName"], "dimensions": dimensions}
        found["metricStat"] = {"metric": named, "period": stat["Period"], "stat": stat["Stat"]}
    plain: Record = json.loads(json.dumps(found, default=str))
    return plain
