"""Elastic Load Balancing: load balancers and target groups, with what MiniStack's provisioners leave out."""

from __future__ import annotations

from typing import Any

from localcloud import emulator, regions
from localcloud.balancer import checks
from localcloud.resources.base import Made, Properties, Provisioner

PROVISIONERS: dict[str, Provisioner] = {}

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def _alb() -> Any:
    return emulator.module("services.alb")


def _subnets() -> Any:
    return emulator.module("services.ec2")._subnets


def install() -> None:
    """Correct both types."""
    types = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    for name, properties_at in (("create", 1), ("update", 2)):
        types[_GROUP][name] = _group(types[_GROUP][name], properties_at)
        types[_BALANCER][name] = _balancer(types[_BALANCER][name], properties_at)
    types[_GROUP]["delete"] = _unless_in_use(types[_GROUP]["delete"])
    types[_BALANCER]["delete"] = _unless_protected(types[_BALANCER]["delete"])


def _group(handler: Any, properties_at: int) -> Any:
    def made(*arguments: Any) -> Made:
        properties = arguments[properties_at]
        _refuse_what_is_not_done(properties)
        arn, attributes = handler(*arguments)
        group = _alb()._tgs.get(arn)
        if group is not None and group["Protocol"] in ("HTTP", "HTTPS"):
            group["ProtocolVersion"] = properties.get("ProtocolVersion", "HTTP1")
            # What is not said is as the group's own protocol is.
            group["HealthCheckProtocol"] = properties.get("HealthCheckProtocol", group["Protocol"])
        # What CloudWatch's dimension `TargetGroup` has.
        name = "targetgroup/" + arn.partition(":targetgroup/")[2]
        used_by = (group or {}).get("LoadBalancerArns", [])
        return arn, {**attributes, "TargetGroupFullName": name, "LoadBalancerArns": used_by}

    return made


def _refuse_what_is_not_done(group: Properties) -> None:
    if (
        group.get("Protocol", "HTTP") not in ("HTTP", "HTTPS")
        or group.get("ProtocolVersion", "HTTP1") != "HTTP1"
    ):
        raise checks.not_done("speaks HTTP/1.1 to its targets, over HTTP or HTTPS")
    checks.place("vpc", filter(None, [group.get("VpcId")]))
    checks.attributes("target group", group.get("TargetGroupAttributes"))
    checks.health_check(group)


def _unless_in_use(delete: Any) -> Any:
    def deleting(physical_id: str, properties: Properties) -> None:
        checks.unused(physical_id)
        delete(physical_id, properties)

    return deleting


def _balancer(handler: Any, properties_at: int) -> Any:
    def made(*arguments: Any) -> Made:
        properties = arguments[properties_at]
        if properties.get("Type", "application") != "application":
            raise ValueError(f"the local cloud has application load balancers only, not {properties['Type']}")
        checks.attributes("load balancer", properties.get("LoadBalancerAttributes"))
        subnets = properties.get("Subnets") or [m["SubnetId"] for m in properties.get("SubnetMappings") or []]
        checks.place("subnet", subnets)
        checks.place("group", properties.get("SecurityGroups") or ())
        if properties.get("IpAddressType") == "dualstack":
            for subnet in subnets:
                if not _subnets()[subnet].get("Ipv6CidrBlock"):
                    raise ValueError(f"You must specify subnets with an associated IPv6 CIDR block: {subnet}")
        arn, attributes = handler(*arguments)
        balancer = _alb()._lbs[arn]
        # Its listeners listen on loopback: there is no name to resolve.
        address = regions.address(regions.of_arn(arn))
        balancer["DNSName"] = address
        balancer["Subnets"] = subnets
        if subnets:
            balancer["VpcId"] = _subnets()[subnets[0]]["VpcId"]
        return arn, {**attributes, "DNSName": address}

    return made


def _unless_protected(delete: Any) -> Any:
    def deleting(physical_id: str, properties: Properties) -> None:
        checks.unprotected(physical_id)
        delete(physical_id, properties)

    return deleting
