"""CloudWatch: composite alarms, alarms on metric math, and dashboards, which are checked here."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.metrics import dashboards, definition
from localcloud.resources.base import Made, Properties, Provisioner, call


def _cloudwatch() -> Any:
    return emulator.module("services.cloudwatch")


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


def put_metric_alarm(name: str, properties: Properties) -> Made:
    """Create or change an alarm, on one metric or on metric math, of a template's properties."""
    definition.check(properties)
    if not properties.get("Metrics"):
        single: Made = _cfn()._cw_metric_alarm_put(name, properties)
    else:
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = _cfn()._cw_metric_alarm_record(name, {**plain, "MetricName": "-", "Namespace": "-"})
        _cloudwatch().cloudformation_put_metric_alarm(alarm)
        _cloudwatch().cloudformation_set_metric_alarm_tags(name, properties.get("Tags") or [])
        single = name, {"Arn": alarm["AlarmArn"]}
    definition.complete(_cloudwatch()._alarms[name], properties)
    return single


def _create_metric(logical_id: str, properties: Properties, stack_name: str) -> Made:
    name = properties.get("AlarmName") or _cfn()._physical_name(stack_name, logical_id, max_len=255)
    return put_metric_alarm(name, properties)


def _update_metric(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    return put_metric_alarm(physical_id, new)


def _put(name: str, properties: Properties) -> Made:
    # Tags of stacks begin with aws:, which clients may not set.
    request = {**{key: value for key, value in properties.items() if key != "Tags"}, "AlarmName": name}
    call("CloudWatch", _cloudwatch()._put_composite_alarm, {}, request, False, True)
    _cloudwatch().cloudformation_set_metric_alarm_tags(name, properties.get("Tags") or [])
    return name, {"Arn": _cloudwatch()._composite_alarms[name]["AlarmArn"]}


def _create_composite(logical_id: str, properties: Properties, stack_name: str) -> Made:
    return _put(properties.get("AlarmName") or _cfn()._physical_name(stack_name, logical_id), properties)


def _update_composite(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    return _put(physical_id, new)


def _delete_composite(physical_id: str, properties: Properties) -> None:
    del properties
    call("CloudWatch", _cloudwatch()._delete_alarms, {}, {"AlarmNames": [physical_id]}, False, True)


def _create_dashboard(logical_id: str, properties: Properties, stack_name: str) -> Made:
    name = properties.get("DashboardName") or _cfn()._physical_name(stack_name, logical_id, max_len=255)
    if dashboards.exists(name):
        raise ValueError(f"Dashboard {name} already exists, in one of the account's regions")
    return _put_dashboard(name, properties)


def _update_dashboard(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    return _put_dashboard(physical_id, new)


def _put_dashboard(name: str, properties: Properties) -> Made:
    dashboards.check(name, properties["DashboardBody"])
    _cloudwatch().cloudformation_put_dashboard(name, properties["DashboardBody"])
    return name, {"DashboardName": name}


PROVISIONERS = {
    "AWS::CloudWatch::Dashboard": Provisioner(_create_dashboard, _update_dashboard),
    "AWS::CloudWatch::Alarm": Provisioner(_create_metric, _update_metric),
    "AWS::CloudWatch::CompositeAlarm": Provisioner(
        _create_composite, _update_composite, _delete_composite, tagged=True
    ),
}
