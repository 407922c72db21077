"""Targets of rules: which there are here, and how an event gets to them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud import emulator
from localcloud.events import payload, runs
from localcloud.events.errors import DeliveryError
from localcloud.metrics.store import STORE

log = logging.getLogger("localcloud.events")

Target = dict[str, Any]
#: Delivers a payload: the target, its parsed ARN, the rule, the payload. Raises DeliveryError.
Deliver = Callable[[Target, Any, Mapping[str, Any], str], None]

_INPUTS = ("Input", "InputPath", "InputTransformer")
#: Targets that a rule may have.
MOST = 5


def parsed(arn: str) -> Any:
    """An ARN's parts. Raises ValueError."""
    return emulator.module("core.arn").parse_arn(arn)


def normalised(target: Mapping[str, Any]) -> Target:
    """A target in the API's words, of which a template has some in its own."""
    found: Target = {**target}
    if given := found.get("EcsParameters"):
        found["EcsParameters"] = runs.normalised(given)
    return found


def problem(target: Mapping[str, Any]) -> str:
    """Why a target is refused, "" when it is not."""
    arn = str(target.get("Arn") or "")
    try:
        spec = parsed(arn)
    except ValueError:
        return f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
    if len([name for name in _INPUTS if target.get(name)]) > 1:
        return f"Only one of {', '.join(_INPUTS)} can be set for target {target.get('Id')}."
    try:
        if target.get("Input"):
            json.loads(target["Input"])
        for path in [target.get("InputPath"), *_map(target).values()]:
            if path:
                payload.steps(path)
    except payload.PathError as exc:
        return f"Target {target.get('Id')}: {exc}"
    except ValueError as exc:
        return f"Target {target.get('Id')}: Input is not valid JSON: {exc}"
    if spec.service == "ecs":
        return runs.problem(target)
    if spec.service == "logs" and not spec.resource.startswith("log-group:"):
        return f"Target {target.get('Id')}: {arn} is not a log group."
    if spec.service == "events" and spec.resource.startswith("event-bus/"):
        return ""
    if spec.service not in _DELIVER:
        return (f"Target {target.get('Id')}: the local cloud cannot reach {arn}; it has SNS topics, SQS "
                "queues, log groups, ECS tasks and event buses.")  # fmt: skip
    return ""


def _map(target: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = (target.get("InputTransformer") or {}).get("InputPathsMap") or {}
    return found


def invoke(target: Target, event: Mapping[str, Any], rule: Mapping[str, Any], view: Any = None) -> None:
    """Bring an event to a target of a rule; MiniStack's signature. What fails is logged and counted."""
    eventbridge = emulator.module("services.eventbridge")
    view = view or eventbridge._pattern_event_view(event)
    key = eventbridge._rule_key(rule["Name"], rule["EventBusName"])
    if (eventbridge._targets.get(key) or [target])[0] is target:
        _count("TriggeredRules", rule)
    _count("Invocations", rule)
    text = payload.of(target, rule, view.event_with_detail())
    try:
        _deliver(target, event, rule, text)
    except DeliveryError as exc:
        _failed(target, rule, text, exc)
    except Exception as exc:
        # Nobody who puts an event may fail because of a rule.
        log.exception("target %s of rule %s", target["Id"], rule["Name"])
        _failed(target, rule, text, DeliveryError("SDK_CLIENT_ERROR", f"{type(exc).__name__}: {exc}"))


def _deliver(target: Target, event: Mapping[str, Any], rule: Mapping[str, Any], text: str) -> None:
    spec = parsed(target["Arn"])
    if spec.service == "events":
        path = set(event.get("_DispatchPath") or [])
        chosen = text if any(target.get(name) for name in _INPUTS) else None
        emulator.module("services.eventbridge")._dispatch_to_event_bus(spec, event, rule, path, chosen)
        return
    responses = emulator.module("core.responses")
    here = (responses.get_account_id(), responses.get_region())
    if (spec.account_id, spec.region) != here:
        raise DeliveryError("NO_PERMISSIONS", f"{target['Arn']} is not in {here[1]}")
    if spec.service not in _DELIVER:
        raise DeliveryError("INVALID_PARAMETER", problem(target))
    _DELIVER[spec.service](target, spec, rule, text)


def _failed(target: Target, rule: Mapping[str, Any], text: str, why: DeliveryError) -> None:
    log.warning("rule %s could not invoke target %s: %s", rule["Name"], target["Id"], why)
    _count("FailedInvocations", rule)
    _bury(target, rule, text, why)


def _count(name: str, rule: Mapping[str, Any]) -> None:
    STORE.metric("AWS/Events", name, {"RuleName": rule["Name"]}, "Count").at(time.time()).add(1)


def _to_topic(target: Target, spec: Any, rule: Mapping[str, Any], text: str) -> None:
    del spec, rule
    if emulator.module("services.sns").publish_internal(target["Arn"], text, "") is None:
        raise DeliveryError("RESOURCE_NOT_FOUND", f"topic {target['Arn']} does not exist")


def _to_queue(target: Target, spec: Any, rule: Mapping[str, Any], text: str) -> None:
    del rule
    queue = emulator.module("services.sqs")._queue_by_arn(target["Arn"])
    if not queue:
        raise DeliveryError("RESOURCE_NOT_FOUND", f"queue {target['Arn']} does not exist")
    parameters = target.get("SqsParameters") or {}
    if queue.get("is_fifo") and not parameters.get("MessageGroupId"):
        raise DeliveryError("INVALID_PARAMETER", f"{target['Arn']} is FIFO and needs a MessageGroupId")
    emulator.module("services.eventbridge")._dispatch_to_sqs(spec, text, parameters)


def _to_log_group(target: Target, spec: Any, rule: Mapping[str, Any], text: str) -> None:
    del target
    logs = emulator.module("services.cloudwatch_logs")
    group, stream = spec.resource.split(":")[1], f"{rule['Name']}/events"
    logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    line = {"timestamp": int(time.time() * 1000), "message": text, **_timed(text)}
    request = {"logGroupName": group, "logStreamName": stream, "logEvents": [line]}
    status, _, body = logs._put_log_events(request)
    if status >= 400:
        raise DeliveryError("RESOURCE_NOT_FOUND", str(json.loads(body).get("message")))


def _timed(text: str) -> dict[str, Any]:
    """Time and line of a document that has nothing else, as templates for log groups make it."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.keys() != {"timestamp", "message"}:
        return {}
    message = found["message"]
    try:
        stamp = {"timestamp": int(found["timestamp"])}
    except (TypeError, ValueError):
        stamp = {}
    return {**stamp, "message": message if isinstance(message, str) else json.dumps(message)}


def _to_task(target: Target, spec: Any, rule: Mapping[str, Any], text: str) -> None:
    del spec
    runs.run(target, rule, text)


_DELIVER: dict[str, Deliver] = {
    "sns": _to_topic, "sqs": _to_queue, "logs": _to_log_group, "ecs": _to_task,
}  # fmt: skip


def _bury(target: Target, rule: Mapping[str, Any], text: str, why: DeliveryError) -> None:
    """Send what could not be delivered to the target's dead-letter queue, if it has one."""
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not arn:
        return
    try:
        _to_queue({"Arn": arn}, parsed(arn), rule, text)
    except (DeliveryError, ValueError) as exc:
        log.warning("rule %s: its dead-letter queue: %s", rule["Name"], exc)
        return
    told = {
        "RULE_ARN": rule["Arn"], "TARGET_ARN": target["Arn"], "ERROR_CODE": why.code,
        "ERROR_MESSAGE": str(why),
    }  # fmt: skip
    message = emulator.module("services.sqs")._queue_by_arn(arn)["messages"][-1]
    message["message_attributes"] = {
        name: {"DataType": "String", "StringValue": value} for name, value in told.items()
    }
    _count("InvocationsSentToDlq", rule)
