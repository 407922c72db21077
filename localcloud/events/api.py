"""EventBridge's API where MiniStack takes what EventBridge refuses, or what cannot be served here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud import emulator
from localcloud.events import targets
from localcloud.events.schedules import is_valid

Request = dict[str, Any]


def install(kick: Callable[[], None]) -> None:
    """Put the actions in the place of MiniStack's; `kick` is called after rules came or changed."""
    eventbridge = emulator.module("services.eventbridge")
    put_rule, put_targets, delete_rule = (
        eventbridge._put_rule, eventbridge._put_targets, eventbridge._delete_rule
    )  # fmt: skip

    def refused(message: str, code: str = "ValidationException") -> Any:
        return eventbridge.error_response_json(code, message, 400)

    def putting_rule(data: Request) -> Any:
        # A stack's rule may be the first that a region hears of EventBridge.
        eventbridge._ensure_default_bus()
        schedule, bus = data.get("ScheduleExpression") or "", data.get("EventBusName") or "default"
        if not schedule and not data.get("EventPattern"):
            return refused("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if schedule and not is_valid(schedule):
            return refused("Parameter ScheduleExpression is not valid.")
        if schedule and bus != "default":
            return refused("ScheduleExpression is supported only on the default event bus.")
        answer = put_rule({**data, "EventBusName": bus})
        kick()
        return answer

    def putting_targets(data: Request) -> Any:
        given = [targets.normalised(target) for target in data.get("Targets") or []]
        for target in given:
            if found := targets.problem(target):
                return refused(found)
        key = eventbridge._rule_key(data.get("Rule"), data.get("EventBusName", "default"))
        ids = {target["Id"] for target in [*(eventbridge._targets.get(key) or []), *given]}
        if len(ids) > targets.MOST:
            message = f"A rule has {targets.MOST} targets at most."
            return refused(message, "LimitExceededException")
        return put_targets({**data, "Targets": given})

    def deleting_rule(data: Request) -> Any:
        key = eventbridge._rule_key(data.get("Name"), data.get("EventBusName", "default"))
        if eventbridge._targets.get(key):
            return refused("Rule can't be deleted since it has targets.")
        return delete_rule(data)

    def followed(action: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def changing(data: Request) -> Any:
            key = eventbridge._rule_key(data.get("Name"), data.get("EventBusName", "default"))
            if key not in eventbridge._rules:
                message = f"Rule {data.get('Name')} does not exist on EventBus default."
                return refused(message, "ResourceNotFoundException")
            answer = action(data)
            kick()
            return answer

        return changing

    eventbridge._put_rule = putting_rule
    eventbridge._put_targets = putting_targets
    eventbridge._delete_rule = deleting_rule
    eventbridge._enable_rule = followed(eventbridge._enable_rule)
    eventbridge._disable_rule = followed(eventbridge._disable_rule)
    eventbridge._invoke_target = targets.invoke
    # MiniStack would keep every event for ever, for nobody.
    eventbridge._events_log_list = list
