"""CloudWatch: composite alarms."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call


def _cloudwatch() -> Any:
    return emulator.module("services.cloudwatch")


def _put(name: str, properties: Properties) -> Made:
    request = {**properties, "AlarmName": name}
    call("CloudWatch", _cloudwatch()._put_composite_alarm, {}, request, False, True)
    return name, {"Arn": _cloudwatch()._composite_alarms[name]["AlarmArn"]}


def _create_composite(logical_id: str, properties: Properties, stack_name: str) -> Made:
    naming = emulator.module("services.cloudformation.provisioners")
    return _put(properties.get("AlarmName") or naming._physical_name(stack_name, logical_id), properties)


def _update_composite(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    return _put(physical_id, new)


def _delete_composite(physical_id: str, properties: Properties) -> None:
    del properties
    call("CloudWatch", _cloudwatch()._delete_alarms, {}, {"AlarmNames": [physical_id]}, False, True)


PROVISIONERS = {
    "AWS::CloudWatch::CompositeAlarm": Provisioner(
        _create_composite, _update_composite, _delete_composite, tagged=True
    ),
}
