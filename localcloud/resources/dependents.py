"""EC2: what a resource needs to be there, and what needs a subnet or a security group and so keeps it.

MiniStack makes resources in what does not exist, and deletes what others still stand in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from localcloud import emulator, networks
from localcloud.resources.base import Made, Properties, ServiceRefusedError

#: Members of properties that name something of EC2's, and its kind.
_NAMING = {
    "VpcId": "vpc", "SubnetId": "subnet", "SubnetIds": "subnet",
    "RouteTableId": "table", "RouteTableIds": "table",
    "GroupId": "group", "SecurityGroupIds": "group",
    "SourceSecurityGroupId": "group", "DestinationSecurityGroupId": "group",
}  # fmt: skip


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Kind and id of everything that properties name."""
    if isinstance(value, list):
        for inner in value:
            yield from _named(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            kind = _NAMING.get(key)
            given = inner if isinstance(inner, list) else [inner]
            yield from ((kind, one) for one in given if kind and isinstance(one, str))
            yield from _named(inner)


def once_there(handler: Callable[..., Made], properties_at: int) -> Callable[..., Made]:
    """A creation or an update that fails as on AWS where what the properties name does not exist."""

    def made(*arguments: Any) -> Made:
        for kind, identity in _named(arguments[properties_at]):
            try:
                networks.check(kind, [identity])
            except networks.UnknownIdError as exc:
                raise ServiceRefusedError(
                    f"{exc} (Service: Ec2, Status Code: 400, Error Code: {exc.code})"
                ) from exc
        return handler(*arguments)

    return made


def _services() -> Iterator[dict[str, Any]]:
    """The network configuration of every service that still has tasks."""
    for service in emulator.module("services.ecs")._services.values():
        if service["status"] != "INACTIVE" and service.get("runningCount", 0):
            yield (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}


def of_subnet(subnet: str) -> Iterator[str]:
    """What stands in a subnet: load balancers, gateways, endpoints, services with tasks."""
    ec2 = emulator.module("services.ec2")
    yield from (arn for arn, lb in emulator.module("services.alb")._lbs.items() if subnet in lb["Subnets"])
    yield from (name for name, gateway in ec2._nat_gateways.items()
                if gateway["SubnetId"] == subnet and gateway["State"] != "deleted")  # fmt: skip
    yield from (name for name, end in ec2._vpc_endpoints.items() if subnet in end.get("SubnetIds", []))
    yield from ("an ECS service" for network in _services() if subnet in network.get("subnets", []))


def of_group(group: str) -> Iterator[str]:
    """What has a security group, and the groups whose rules name it."""
    ec2 = emulator.module("services.ec2")
    lbs = emulator.module("services.alb")._lbs
    yield from (arn for arn, lb in lbs.items() if group in lb["SecurityGroups"])
    yield from (name for name, end in ec2._vpc_endpoints.items() if group in end.get("SecurityGroupIds", []))
    yield from ("an ECS service" for network in _services() if group in network.get("securityGroups", []))
    for name, other in ec2._security_groups.items():
        rules = [*other["IpPermissions"], *other["IpPermissionsEgress"]]
        pairs = [pair.get("GroupId") for rule in rules for pair in rule.get("UserIdGroupPairs", [])]
        if name != group and group in pairs:
            yield f"the rules of {name}"


def unless_used(delete: Any, users: Callable[[str], Iterator[str]]) -> Any:
    """A deletion that fails as on AWS, with DependencyViolation, while `users` finds any of the resource."""

    def deleting(physical_id: str, properties: Properties) -> None:
        found = sorted(set(users(physical_id)))
        if found:
            raise ValueError(
                f"resource {physical_id} has a dependent object (Service: Ec2, Status Code: 400, Error Code: "
                f"DependencyViolation): {', '.join(found)}"
            )
        delete(physical_id, properties)

    return deleting
