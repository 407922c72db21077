"""Elastic Load Balancing: what the provisioners leave out."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.endpoint import LOOPBACK
from localcloud.resources.base import Made, Provisioner

PROVISIONERS: dict[str, Provisioner] = {}

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def _alb() -> Any:
    return emulator.module("services.alb")


def install() -> None:
    """Give target groups their full name and protocol version, and balancers the address they really have."""
    types = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    for name, properties_at in (("create", 1), ("update", 2)):
        types[_GROUP][name] = _group(types[_GROUP][name], properties_at)
        types[_BALANCER][name] = _balancer(types[_BALANCER][name])


def _group(handler: Any, properties_at: int) -> Any:
    def made(*arguments: Any) -> Made:
        arn, attributes = handler(*arguments)
        group = _alb()._tgs.get(arn)
        if group is not None and group["Protocol"] in ("HTTP", "HTTPS"):
            group["ProtocolVersion"] = arguments[properties_at].get("ProtocolVersion", "HTTP1")
        # What CloudWatch's dimension `TargetGroup` has.
        return arn, {**attributes, "TargetGroupFullName": "targetgroup/" + arn.partition(":targetgroup/")[2]}

    return made


def _balancer(handler: Any) -> Any:
    def made(*arguments: Any) -> Made:
        arn, attributes = handler(*arguments)
        # Its listeners listen on loopback: there is no name to resolve.
        _alb()._lbs[arn]["DNSName"] = LOOPBACK
        return arn, {**attributes, "DNSName": LOOPBACK}

    return made
