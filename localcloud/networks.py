"""Which VPCs, subnets, security groups and route tables there are: whoever is to use one asks here first."""

from __future__ import annotations

from collections.abc import Iterable

from localcloud import emulator

#: Kind -> MiniStack's store of it, EC2's error code, and its words.
_KINDS = {
    "vpc": ("_vpcs", "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "subnet": ("_subnets", "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "group": ("_security_groups", "InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "table": ("_route_tables", "InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
}


class UnknownIdError(ValueError):
    """An id that nothing in the account and region has; `code` and the message are EC2's."""

    def __init__(self, kind: str, identity: str) -> None:
        _, self.code, words = _KINDS[kind]
        super().__init__(words.format(identity))
        self.id = identity


def check(kind: str, identities: Iterable[str]) -> None:
    """Raise UnknownIdError for the first id that is no `vpc`, `subnet`, `group` or `table` of the region.

    Needs the request's account and region to be set.
    """
    ec2 = emulator.module("services.ec2")
    # Every region has a default VPC, which MiniStack makes at its first use.
    ec2._ensure_defaults_initialized()
    store = getattr(ec2, _KINDS[kind][0])
    for identity in identities:
        if identity not in store:
            raise UnknownIdError(kind, identity)
