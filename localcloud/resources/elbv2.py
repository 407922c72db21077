"""Elastic Load Balancing: what a target group's provisioner leaves out."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Provisioner

PROVISIONERS: dict[str, Provisioner] = {}

_TYPE = "AWS::ElasticLoadBalancingV2::TargetGroup"


def install() -> None:
    """Give target groups the full name that CloudWatch's dimension `TargetGroup` has, and their protocol version."""
    entry = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS[_TYPE]
    for name in ("create", "update"):
        entry[name] = _complete(entry[name], 1 if name == "create" else 2)


def _complete(handler: Any, properties_at: int) -> Any:
    def made(*arguments: Any) -> Made:
        arn, attributes = handler(*arguments)
        group = emulator.module("services.alb")._tgs.get(arn)
        if group is not None and group["Protocol"] in ("HTTP", "HTTPS"):
            group["ProtocolVersion"] = arguments[properties_at].get("ProtocolVersion", "HTTP1")
        return arn, {**attributes, "TargetGroupFullName": "targetgroup/" + arn.partition(":targetgroup/")[2]}

    return made
