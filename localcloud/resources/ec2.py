"""EC2: elastic addresses, NAT gateways, flow logs and security group rules."""

from __future__ import annotations

import re
from typing import Any

from localcloud import emulator
from localcloud.resources.base import Made, Properties, Provisioner, call, made_id, query


def _ec2() -> Any:
    return emulator.module("services.ec2")


def _tag(physical_id: str, properties: Properties, old: Properties | None = None) -> None:
    emulator.module("services.cloudformation.provisioners")._ec2_apply_tags(physical_id, properties, old)


def _retagged(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    """Tags are all that changes in place."""
    del stack_name
    _tag(physical_id, new, old)
    return physical_id, {}


def _create_eip(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    answer = call("Ec2", _ec2()._allocate_address, query(Domain=properties.get("Domain")))
    allocation = made_id(answer, "eipalloc")
    _tag(allocation, properties)
    address = _ec2()._addresses[allocation]["PublicIp"]
    return address, {"AllocationId": allocation, "PublicIp": address}


def _allocation(address: str) -> str | None:
    return next((key for key, found in _ec2()._addresses.items() if found["PublicIp"] == address), None)


def _update_eip(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del stack_name
    allocation = _allocation(physical_id)
    if allocation is None:
        raise ValueError(f"Address {physical_id} not found")
    _tag(allocation, new, old)
    return physical_id, {"AllocationId": allocation, "PublicIp": physical_id}


def _delete_eip(physical_id: str, properties: Properties) -> None:
    del properties
    allocation = _allocation(physical_id)
    if allocation is not None:
        call("Ec2", _ec2()._release_address, query(AllocationId=allocation))


def _create_nat_gateway(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    request = query(
        **{name: properties.get(name) for name in ("SubnetId", "AllocationId", "ConnectivityType")}
    )
    gateway = made_id(call("Ec2", _ec2()._create_nat_gateway, request), "nat")
    _tag(gateway, properties)
    # As the gateway's own network interface, which does not exist, would be called.
    return gateway, {"NatGatewayId": gateway, "EniId": f"eni-{gateway.removeprefix('nat-')}"}


def _delete_nat_gateway(physical_id: str, properties: Properties) -> None:
    del properties
    if physical_id in _ec2()._nat_gateways:
        call("Ec2", _ec2()._delete_nat_gateway, query(NatGatewayId=physical_id))


def _create_flow_log(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    names = ("ResourceType", "TrafficType", "LogDestinationType", "LogDestination", "LogGroupName")
    request = query(ResourceId__1=properties["ResourceId"], **{name: properties.get(name) for name in names})
    flow_log = made_id(call("Ec2", _ec2()._create_flow_logs, request), "fl")
    _tag(flow_log, properties)
    return flow_log, {"Id": flow_log}


def _delete_flow_log(physical_id: str, properties: Properties) -> None:
    del properties
    call("Ec2", _ec2()._delete_flow_logs, query(FlowLogId__1=physical_id))


_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def check_descriptions(properties: Properties) -> None:
    """Refuse descriptions of a security group, or of its rules, that EC2 refuses."""
    rules = [*(properties.get("SecurityGroupIngress") or []), *(properties.get("SecurityGroupEgress") or [])]
    for owner in (properties, *rules):
        text = owner.get("GroupDescription") or owner.get("Description") or ""
        if not _DESCRIPTION.fullmatch(text):
            raise ValueError(
                f"Invalid description {text!r}. Valid descriptions are strings less than 256 characters from "
                f"the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
            )


def _rule(properties: Properties, other_group: str) -> dict[str, list[str]]:
    """A rule as AuthorizeSecurityGroupIngress and -Egress take it; `other_group` is the peer's property."""
    check_descriptions(properties)
    permission = "IpPermissions.1"
    text = properties.get("Description")
    values = {
        "GroupId": properties["GroupId"],
        f"{permission}.IpProtocol": properties["IpProtocol"],
        f"{permission}.FromPort": properties.get("FromPort"),
        f"{permission}.ToPort": properties.get("ToPort"),
    }
    for name, member, key in (
        ("CidrIp", "IpRanges", "CidrIp"),
        ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        (other_group, "Groups", "GroupId"),
    ):
        if properties.get(name):
            values[f"{permission}.{member}.1.{key}"] = properties[name]
            values[f"{permission}.{member}.1.Description"] = text
    return query(**values)


def _create_ingress(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    request = _rule(properties, "SourceSecurityGroupId")
    rule = made_id(call("Ec2", _ec2()._authorize_sg_ingress, request), "sgr")
    return rule, {"Id": rule}


def _create_egress(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    request = _rule(properties, "DestinationSecurityGroupId")
    rule = made_id(call("Ec2", _ec2()._authorize_sg_egress, request), "sgr")
    return rule, {"Id": rule}


def _update_rule(direction: str) -> Any:
    def update(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
        """The description is all that changes in place."""
        del old, stack_name
        check_descriptions(new)
        group = _ec2()._security_groups[new["GroupId"]]
        for rule in group["IpPermissionsEgress" if direction == "egress" else "IpPermissions"]:
            if rule.get("SecurityGroupRuleId") == physical_id:
                for members in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs"):
                    for member in rule.get(members, []):
                        member["Description"] = new.get("Description", "")
        return physical_id, {"Id": physical_id}

    return update


def _delete_ingress(physical_id: str, properties: Properties) -> None:
    if properties["GroupId"] in _ec2()._security_groups:
        request = query(GroupId=properties["GroupId"], SecurityGroupRuleId__1=physical_id)
        call("Ec2", _ec2()._revoke_sg_ingress, request)


def _delete_egress(physical_id: str, properties: Properties) -> None:
    if properties["GroupId"] in _ec2()._security_groups:
        request = query(GroupId=properties["GroupId"], SecurityGroupRuleId__1=physical_id)
        call("Ec2", _ec2()._revoke_sg_egress, request)


PROVISIONERS = {
    "AWS::EC2::EIP": Provisioner(_create_eip, _update_eip, _delete_eip, tagged=True),
    "AWS::EC2::NatGateway": Provisioner(_create_nat_gateway, _retagged, _delete_nat_gateway, tagged=True),
    "AWS::EC2::FlowLog": Provisioner(_create_flow_log, _retagged, _delete_flow_log, tagged=True),
    "AWS::EC2::SecurityGroupIngress": Provisioner(_create_ingress, _update_rule("ingress"), _delete_ingress),
    "AWS::EC2::SecurityGroupEgress": Provisioner(_create_egress, _update_rule("egress"), _delete_egress),
}
