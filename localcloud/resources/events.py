"""EventBridge: rules, checked as the API checks them. MiniStack changes and deletes them."""

from __future__ import annotations

import json
from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    naming = emulator.module("services.cloudformation.provisioners")
    eventbridge: Any = emulator.module("services.eventbridge")
    name = properties.get("Name") or naming._physical_name(stack_name, logical_id, max_len=64)
    bus, error = eventbridge._event_bus_name_from_ref(properties.get("EventBusName", "default"))
    if error:
        raise ValueError(f"EventBusName: {error[1]}")
    key = eventbridge._rule_key(name, bus)
    if key in eventbridge._rules:
        raise ValueError(f"Rule {name} already exists on event bus {bus}")
    plain = ("ScheduleExpression", "State", "Description", "RoleArn")
    request = {key: properties[key] for key in plain if properties.get(key)}
    if pattern := properties.get("EventPattern"):
        request["EventPattern"] = pattern if isinstance(pattern, str) else json.dumps(pattern)
    call("EventBridge", eventbridge._put_rule, {**request, "Name": name, "EventBusName": bus})
    rule = eventbridge._rules[key]
    try:
        if targets := properties.get("Targets"):
            call("EventBridge", eventbridge._put_targets,
                 {"Rule": name, "EventBusName": bus, "Targets": targets})  # fmt: skip
    except ValueError:
        # What a create leaves is unknown to the stack, and would be in the way of the next.
        eventbridge._rules.pop(key)
        raise
    if tags := properties.get("Tags"):
        call("EventBridge", eventbridge._tag_resource, {"ResourceARN": rule["Arn"], "Tags": tags})
    return name, {"Arn": rule["Arn"], "RuleName": name}


PROVISIONERS = {"AWS::Events::Rule": Provisioner(_create, tagged=True)}
