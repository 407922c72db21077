"""The addresses of subnets: a task takes one for as long as it lives, and where none is left no task starts.

Tasks run on loopback all the same. Network interfaces that EC2's API makes take addresses too.
"""

from __future__ import annotations

import ipaddress

from localcloud import emulator
from localcloud.ecs.definitions import StartError
from localcloud.ecs.records import Record, ecs

#: The first four of a subnet and the last one are AWS's.
_RESERVED = 5


def take(task: Record) -> None:
    """Give a task an address of its subnet. Needs the account and region to be set. Raises StartError."""
    ec2, subnet = emulator.module("services.ec2"), task.get("_subnet")
    found = ec2._subnets.get(subnet) if subnet else None
    if found is None:
        return
    size = ipaddress.ip_network(found["CidrBlock"]).num_addresses - _RESERVED
    interfaces = sum(one["SubnetId"] == subnet for one in ec2._network_interfaces.values())
    tasks = sum(
        one.get("_has_address") is True and one["_subnet"] == subnet and one["lastStatus"] != "STOPPED"
        for one in ecs()._tasks.values()
    )
    if interfaces + tasks >= size:
        raise StartError(
            f"Unexpected EC2 error while attempting to Create Network Interface in subnet '{subnet}': "
            "InsufficientFreeAddressesInSubnet"
        )
    task["_has_address"] = True
