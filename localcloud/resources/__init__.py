"""Resource types that MiniStack's CloudFormation lacks, or provisions with less than the template says.

One module per service; each has a `PROVISIONERS` mapping from resource type to `Provisioner`. A type that
neither MiniStack nor one of these knows is refused by name when the change set is made.
"""

from __future__ import annotations

from localcloud import emulator
from localcloud.resources import acm, cloudwatch, ec2, ecs, elbv2, listeners, scaling, vpc, wafv2
from localcloud.resources.base import Provisioner

_SERVICES = (acm, cloudwatch, ec2, ecs, elbv2, listeners, scaling, vpc, wafv2)


def provisioners() -> dict[str, Provisioner]:
    """Every resource type that is provisioned here instead of by MiniStack."""
    return {name: provisioner for service in _SERVICES for name, provisioner in service.PROVISIONERS.items()}


def install() -> None:
    """Register the types with MiniStack's CloudFormation."""
    cloudformation = emulator.module("services.cloudformation.provisioners")
    for name, provisioner in provisioners().items():
        existing = cloudformation._RESOURCE_HANDLERS.get(name, {})
        cloudformation._RESOURCE_HANDLERS[name] = {**provisioner.handlers(existing)}
        if provisioner.tagged:
            cloudformation._STACK_TAG_PROPERTY.setdefault(name, ("Tags", "list"))
    vpc.install()
    elbv2.install()
