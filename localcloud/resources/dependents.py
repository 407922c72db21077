"""EC2: what uses a subnet or a security group, and so keeps it from being deleted.

MiniStack deletes both whatever still stands in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from localcloud import emulator
from localcloud.resources.base import Properties


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
