"""CloudWatch Logs: metric filters, refused in the service's words. MiniStack changes and deletes them."""

from __future__ import annotations

import secrets
import string
from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call

_LETTERS = string.ascii_letters + string.digits


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del stack_name
    provisioners: Any = emulator.module("services.cloudformation.provisioners")
    logs: Any = emulator.module("services.cloudwatch_logs")
    made_up = f"{logical_id}-{''.join(secrets.choice(_LETTERS) for _ in range(12))}"
    group, name = properties["LogGroupName"], properties.get("FilterName") or made_up
    if (group, name) in logs._metric_filters:
        raise ValueError(f"Metric filter {name} of log group {group} already exists")
    request = provisioners._cwlogs_metric_filter_payload(group, name, properties)
    call("CloudWatchLogs", logs._put_metric_filter, request)
    return name, {}


PROVISIONERS = {"AWS::Logs::MetricFilter": Provisioner(_create)}
