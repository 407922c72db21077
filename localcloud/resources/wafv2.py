"""WAFv2: which web ACL guards which load balancer."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call


def _waf() -> Any:
    return emulator.module("services.waf")


def _create_association(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    call("Wafv2", _waf()._associate_web_acl, properties)
    return f"{properties['WebACLArn']}|{properties['ResourceArn']}", {}


def _delete_association(physical_id: str, properties: Properties) -> None:
    del physical_id
    call("Wafv2", _waf()._disassociate_web_acl, {"ResourceArn": properties["ResourceArn"]})


PROVISIONERS = {
    "AWS::WAFv2::WebACLAssociation": Provisioner(_create_association, None, _delete_association),
}
