"""EC2: what a VPC consists of, with IPv6, and with the refusals of AWS that decide whether an update works.

MiniStack's VPCs and subnets are IPv4 only, and take what AWS refuses: overlapping subnets, a second route to
the same destination, the deletion of what is in use. A template that relies on one of these must fail here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from localcloud import emulator
from localcloud.resources.base import (
    Made,
    Properties,
    Provisioner,
    attributes_changed,
    call,
    made_id,
    query,
)
from localcloud.resources.dependents import of_group, of_subnet, once_there, unless_used
from localcloud.resources.ec2 import check_descriptions

#: Blocks "provided by Amazon" are from the addresses kept for documentation: they lead nowhere.
_IPV6_POOL = "2001:db8:{:x}:{:x}00::/56"


def _ec2() -> Any:
    return emulator.module("services.ec2")


def _cfn() -> Any:
    return emulator.module("services.cloudformation.provisioners")


# --- VPC and its address blocks ---


def _vpc_attributes(vpc_id: str) -> dict[str, Any]:
    vpc = _ec2()._vpcs[vpc_id]
    further = vpc.get("FurtherCidrBlocks", {})
    return {
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockAssociations": [vpc.get("_cidr_assoc_id", f"vpc-cidr-assoc-{vpc_id[4:]}"), *further],
        "Ipv6CidrBlocks": [block for block in further.values() if ":" in block],
    }


def _with_vpc_attributes(handler: Any) -> Any:
    def made(*arguments: Any) -> Made:
        vpc_id, attributes = handler(*arguments)
        return vpc_id, {**attributes, **_vpc_attributes(vpc_id)}

    return made


def _create_block(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    vpc_id = properties["VpcId"]
    vpc = _ec2()._vpcs[vpc_id]
    if properties.get("CidrBlock"):
        block = properties["CidrBlock"]
    elif properties.get("AmazonProvidedIpv6CidrBlock"):
        block = _IPV6_POOL.format(secrets.randbelow(0xFFFF) + 1, secrets.randbelow(0x100))
    else:
        raise ValueError("the local cloud has AmazonProvidedIpv6CidrBlock and CidrBlock only, no other pools")
    block = str(ip_network(block))
    if ":" in block and _vpc_attributes(vpc_id)["Ipv6CidrBlocks"]:
        raise ValueError("Only one Amazon-provided IPv6 CIDR block can be associated with a VPC here")
    association = f"vpc-cidr-assoc-{secrets.token_hex(8)}"
    vpc.setdefault("FurtherCidrBlocks", {})[association] = block
    attributes_changed("AWS::EC2::VPC", vpc_id, _vpc_attributes(vpc_id))
    return f"{association}|{vpc_id}", _block_attributes(association, block)


def _block_attributes(association: str, block: str) -> dict[str, Any]:
    kind = {"IpSource": "amazon", "Ipv6AddressAttribute": "public"} if ":" in block else {}
    return {"Id": association, **kind}


def _keep_block(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    """Nothing of it changes in place."""
    del old, new, stack_name
    association, _, vpc_id = physical_id.partition("|")
    return physical_id, _block_attributes(association, _ec2()._vpcs[vpc_id]["FurtherCidrBlocks"][association])


def _delete_block(physical_id: str, properties: Properties) -> None:
    del properties
    association, _, vpc_id = physical_id.partition("|")
    further = _ec2()._vpcs.get(vpc_id, {}).get("FurtherCidrBlocks", {})
    block = further.get(association)
    if block is None:
        return
    for subnet in _ec2()._subnets.values():
        if subnet["VpcId"] == vpc_id and any(_overlap(block, mine) for mine in _subnet_blocks(subnet)):
            raise ValueError(f"The CIDR block {block} is in use by subnet '{subnet['SubnetId']}'")
    del further[association]
    attributes_changed("AWS::EC2::VPC", vpc_id, _vpc_attributes(vpc_id))


# --- egress-only internet gateways ---


def _create_egress_only(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    answer = call("Ec2", _ec2()._create_egress_only_igw, query(VpcId=properties["VpcId"]))
    gateway = made_id(answer, "eigw")
    _cfn()._ec2_apply_tags(gateway, properties)
    return gateway, {"Id": gateway}


def _update_egress_only(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    """Tags are all that changes in place."""
    del stack_name
    _cfn()._ec2_apply_tags(physical_id, new, old)
    return physical_id, {"Id": physical_id}


def _delete_egress_only(physical_id: str, properties: Properties) -> None:
    del properties
    if physical_id in _ec2()._egress_igws:
        call("Ec2", _ec2()._delete_egress_only_igw, query(EgressOnlyInternetGatewayId=physical_id))


# --- subnets ---


def _overlap(left: str, right: str) -> bool:
    one, other = ip_network(left), ip_network(right)
    return one.version == other.version and one.overlaps(other)


def _subnet_blocks(subnet: dict[str, Any]) -> list[str]:
    return [subnet["CidrBlock"], *([subnet["Ipv6CidrBlock"]] if subnet.get("Ipv6CidrBlock") else [])]


def _check_block(block: str, vpc_id: str, own: str | None) -> None:
    vpc = _ec2()._vpcs[vpc_id]
    inside = [vpc["CidrBlock"], *vpc.get("FurtherCidrBlocks", {}).values()]
    if not any(_overlap(block, whole) for whole in inside):
        raise ValueError(f"The CIDR '{block}' is invalid: it is not inside {', '.join(inside)}")
    for subnet_id, subnet in _ec2()._subnets.items():
        is_other = subnet["VpcId"] == vpc_id and subnet_id != own
        if is_other and any(_overlap(block, taken) for taken in _subnet_blocks(subnet)):
            raise ValueError(f"The CIDR '{block}' conflicts with another subnet")


def _subnet(handler: Callable[..., Made], create: bool) -> Any:
    def made(*arguments: Any) -> Made:
        properties = arguments[1] if create else arguments[2]
        own = None if create else arguments[0]
        blocks = [properties[name] for name in ("CidrBlock", "Ipv6CidrBlock") if properties.get(name)]
        for block in blocks:
            _check_block(block, properties["VpcId"], own)
        if properties.get("AssignIpv6AddressOnCreation") and not properties.get("Ipv6CidrBlock"):
            raise ValueError("AssignIpv6AddressOnCreation needs an IPv6 CIDR block of the subnet")
        subnet_id, attributes = handler(*arguments)
        subnet = _ec2()._subnets[subnet_id]
        subnet["Ipv6CidrBlock"] = properties.get("Ipv6CidrBlock", "")
        subnet["AssignIpv6AddressOnCreation"] = bool(properties.get("AssignIpv6AddressOnCreation"))
        return subnet_id, {
            **attributes,
            "VpcId": subnet["VpcId"],
            "CidrBlock": subnet["CidrBlock"],
            "AvailabilityZoneId": subnet["AvailabilityZoneId"],
            "Ipv6CidrBlocks": _subnet_blocks(subnet)[1:],
            "NetworkAclAssociationId": f"aclassoc-{subnet_id.removeprefix('subnet-')}",
        }

    return made


def _described(handler: Callable[..., Made], properties_at: int) -> Any:
    def made(*arguments: Any) -> Made:
        check_descriptions(arguments[properties_at])
        return handler(*arguments)

    return made


# --- routes ---


def _route(handler: Callable[..., Made]) -> Any:
    def made(logical_id: str, properties: Properties, stack_name: str) -> Made:
        table = _ec2()._route_tables[properties["RouteTableId"]]
        for name in ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"):
            wanted = properties.get(name)
            if wanted and any(route.get(name) == wanted for route in table["Routes"]):
                raise ValueError(f"The route identified by {wanted} already exists.")
        physical_id, attributes = handler(logical_id, properties, stack_name)
        return physical_id, {**attributes, "CidrBlock": physical_id.partition("|")[2]}

    return made


def _attachment(handler: Callable[..., Made]) -> Any:
    def made(*arguments: Any) -> Made:
        physical_id, attributes = handler(*arguments)
        return physical_id, {**attributes, "AttachmentType": physical_id.partition("|")[0]}

    return made


PROVISIONERS = {
    "AWS::EC2::VPCCidrBlock": Provisioner(_create_block, _keep_block, _delete_block),
    "AWS::EC2::EgressOnlyInternetGateway": Provisioner(
        _create_egress_only, _update_egress_only, _delete_egress_only, tagged=True
    ),
}


def install() -> None:
    """Correct the types that MiniStack has."""
    types = _cfn()._RESOURCE_HANDLERS
    vpc, subnet, group = (types[f"AWS::EC2::{name}"] for name in ("VPC", "Subnet", "SecurityGroup"))
    for name in ("create", "update"):
        vpc[name] = _with_vpc_attributes(vpc[name])
        subnet[name] = _subnet(subnet[name], name == "create")
        group[name] = _described(group[name], 1 if name == "create" else 2)
    subnet["delete"] = unless_used(subnet["delete"], of_subnet)
    group["delete"] = unless_used(group["delete"], of_group)
    attachment = types["AWS::EC2::VPCGatewayAttachment"]
    for name in ("create", "update"):
        attachment[name] = _attachment(attachment[name])
    types["AWS::EC2::Route"]["create"] = _route(types["AWS::EC2::Route"]["create"])
    for name, handlers in types.items():
        if name.startswith("AWS::EC2::"):
            for handler, properties_at in (("create", 1), ("update", 2)):
                if handler in handlers:
                    handlers[handler] = once_there(handlers[handler], properties_at)
    _describe_ipv6()


def _describe_ipv6() -> None:
    """DescribeVpcs and DescribeSubnets with the blocks that MiniStack does not know."""
    ec2 = _ec2()
    vpc_xml, subnet_xml = ec2._vpc_fields_xml, ec2._subnet_fields_xml

    def vpc_with_blocks(vpc: dict[str, Any], tag: str = "item") -> str:
        further = vpc.get("FurtherCidrBlocks", {})
        four = [pair for pair in further.items() if ":" not in pair[1]]
        six = [pair for pair in further.items() if ":" in pair[1]]
        text: str = vpc_xml(vpc, tag)
        text = text.replace("</cidrBlockAssociationSet>", f"{_items(four, 4)}</cidrBlockAssociationSet>")
        return _appended(text, tag, six)

    def subnet_with_blocks(subnet: dict[str, Any], tag: str = "item") -> str:
        text: str = subnet_xml(subnet, tag)
        if subnet.get("AssignIpv6AddressOnCreation"):
            name = "assignIpv6AddressOnCreation"
            text = text.replace(f"<{name}>false", f"<{name}>true")
        association = f"subnet-cidr-assoc-{subnet['SubnetId'].removeprefix('subnet-')}"
        return _appended(text, tag, [(association, block) for block in _subnet_blocks(subnet)[1:]])

    ec2._vpc_fields_xml, ec2._subnet_fields_xml = vpc_with_blocks, subnet_with_blocks


def _appended(text: str, tag: str, blocks: list[tuple[str, str]]) -> str:
    if not blocks:
        return text
    body = text.removesuffix(f"</{tag}>")
    return f"{body}<ipv6CidrBlockAssociationSet>{_items(blocks, 6)}</ipv6CidrBlockAssociationSet></{tag}>"


def _items(blocks: list[tuple[str, str]], version: int) -> str:
    name = "ipv6CidrBlock" if version == 6 else "cidrBlock"
    return "".join(
        f"<item><{name}>{block}</{name}><associationId>{association}</associationId>"
        f"<{name}State><state>associated</state></{name}State></item>"
        for association, block in blocks
    )
