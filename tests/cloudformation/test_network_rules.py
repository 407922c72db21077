"""Who can reach whom, and where: addresses, zones, ports, ways out. On every environment's templates."""

import ipaddress
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from stack.scan.resolve import references
from stack.scan.templates import Resolved
from tests.cloudformation.service import served

# AWS keeps five addresses of each subnet; endpoints and the balancer take a few (it wants eight free ones).
TAKEN = 5 + 8 + 16
NOWHERE = {"127.0.0.1/32", "::1/128"}


def network(deployed: Mapping[str, Resolved]) -> Resolved:
    found = [one for one in deployed.values() if one.of_type("AWS::EC2::VPC")]
    if not found:
        pytest.skip("has no network of its own")
    return found[0]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_subnets_are_disjoint_and_within_the_network(deployed: dict[str, Resolved]) -> None:
    template = network(deployed)
    (vpc,) = template.of_type("AWS::EC2::VPC").values()
    whole = ipaddress.ip_network(vpc["CidrBlock"])
    blocks = [ipaddress.ip_network(one["CidrBlock"]) for one in template.of_type("AWS::EC2::Subnet").values()]
    assert all(block.subnet_of(whole) for block in blocks)
    assert not [pair for pair in itertools.combinations(blocks, 2) if pair[0].overlaps(pair[1])]
    # Which block of the network's IPv6 addresses: {Fn::Select: [index, {Fn::Cidr: ...}]}.
    sixes = [one["Ipv6CidrBlock"]["Fn::Select"] for one in template.of_type("AWS::EC2::Subnet").values()]
    assert len({index for index, _ in sixes}) == len(sixes)
    assert len({str(of) for _, of in sixes}) == 1


def test_subnets_have_room_for_a_deployment_in_one_zone(deployed: dict[str, Resolved]) -> None:
    """Every task twice (old and new beside each other), even if all other zones failed."""
    template = network(deployed)
    most = max(
        int(target["MaxCapacity"])
        for one in deployed.values()
        for target in one.of_type("AWS::ApplicationAutoScaling::ScalableTarget").values()
    )
    for name, subnet in template.of_type("AWS::EC2::Subnet").items():
        assert ipaddress.ip_network(subnet["CidrBlock"]).num_addresses - TAKEN >= 2 * most, name


def test_lists_of_subnets_are_one_a_zone(deployed: dict[str, Resolved]) -> None:
    template = network(deployed)
    subnets = template.of_type("AWS::EC2::Subnet")
    zones = {}
    for name, output in template.template["Outputs"].items():
        named = [item["Ref"] for item in _joined(output["Value"]) if item.get("Ref") in subnets]
        if named:
            zones[name] = [subnets[one]["AvailabilityZone"] for one in named]
            assert len(set(zones[name])) == len(zones[name]) >= 2, (
                f"{name}: two in one zone, or only one zone"
            )
    assert zones
    # Else the balancer would call tasks in zones that it is not in, or tasks would wait in vain for it.
    assert len({frozenset(one) for one in zones.values()}) == 1


def _joined(value: Any) -> list[Any]:
    return value["Fn::Join"][1] if isinstance(value, dict) and "Fn::Join" in value else []


def test_every_subnet_has_one_route_table_of_its_kind(deployed: dict[str, Resolved]) -> None:
    template = network(deployed)
    routes = template.of_type("AWS::EC2::Route").values()
    open_tables = {
        one["RouteTableId"]["Ref"]
        for one in routes
        if "GatewayId" in one and one.get("DestinationCidrBlock") == "0.0.0.0/0"
    }
    tables: dict[str, str] = {}
    for one in template.of_type("AWS::EC2::SubnetRouteTableAssociation").values():
        subnet = one["SubnetId"]["Ref"]
        assert subnet not in tables, subnet
        tables[subnet] = one["RouteTableId"]["Ref"]
    assert tables.keys() == template.of_type("AWS::EC2::Subnet").keys()
    private = [table for table in tables.values() if table not in open_tables]
    assert len(set(private)) == len(private), (
        "private subnets share a route table: one NAT gateway each is impossible"
    )


def test_no_choice_moves_a_subnet_to_another_route_table(template: dict[str, Any]) -> None:
    """That would replace the association, and cut the subnet off meanwhile."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::EC2::SubnetRouteTableAssociation":
            assert set(resource["Properties"]["SubnetId"]) == {"Ref"}, name
            assert set(resource["Properties"]["RouteTableId"]) == {"Ref"}, name


def rules(template: Resolved, direction: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Security group rules, within groups and on their own: "Ingress" or "Egress"."""
    for name, group in template.of_type("AWS::EC2::SecurityGroup").items():
        for rule in group.get(f"SecurityGroup{direction}", ()):
            yield name, rule
    for kind in (f"AWS::EC2::SecurityGroup{direction}", f"AWS::EC2::SecurityGroup{direction}Rule"):
        yield from template.of_type(kind).items()


def test_no_way_in_is_wider_than_a_port(deployed: dict[str, Resolved]) -> None:
    for template in deployed.values():
        for name, rule in rules(template, "Ingress"):
            assert rule["IpProtocol"] in ("tcp", 6, "6"), template.where(name)
            assert rule["FromPort"] == rule["ToPort"], template.where(name)
            assert rule.get("Description"), template.where(name)


def test_no_way_out_is_everything_anywhere(deployed: dict[str, Resolved]) -> None:
    for template in deployed.values():
        for name, group in template.of_type("AWS::EC2::SecurityGroup").items():
            assert group.get("SecurityGroupEgress"), (
                f"{template.where(name)}: AWS's default is everything, anywhere"
            )
        for name, rule in rules(template, "Egress"):
            if not {rule.get("CidrIp"), rule.get("CidrIpv6")} & NOWHERE:
                assert rule["FromPort"] == rule["ToPort"], template.where(name)


def test_only_the_balancer_calls_tasks(deployed: dict[str, Resolved]) -> None:
    for found in served(deployed):
        configuration = found.service["NetworkConfiguration"]["AwsvpcConfiguration"]
        groups = references(configuration["SecurityGroups"])
        balancers = set().union(*(references(one["SecurityGroups"]) for one in found.balancers.values()))
        ways = [
            rule
            for name, rule in rules(found.template, "Ingress")
            if name in groups or references(rule.get("GroupId", "")) & groups
        ]
        assert ways
        for rule in ways:
            assert references(rule["SourceSecurityGroupId"]) <= balancers
            assert rule["FromPort"] == found.port


def test_nothing_uses_the_default_security_group(deployed: dict[str, Resolved]) -> None:
    """CloudFormation cannot empty it; so everything that has an address names groups of its own."""
    for template in deployed.values():
        assert "DefaultSecurityGroup" not in str(template.template)
        for name, endpoint in template.of_type("AWS::EC2::VPCEndpoint").items():
            if endpoint["VpcEndpointType"] == "Interface":
                assert endpoint["SecurityGroupIds"], name
        for name, balancer in template.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer").items():
            assert balancer["SecurityGroups"], name
        for name, service in template.of_type("AWS::ECS::Service").items():
            assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"], name


def test_ports_agree_from_the_balancer_to_the_container(deployed: dict[str, Resolved]) -> None:
    for found in served(deployed):
        assert {"ContainerPort": found.port, "Protocol": "tcp"}.items() <= found.container["PortMappings"][
            0
        ].items()
        assert all(int(group["Port"]) == found.port for group in found.target_groups.values())
        ways = [rule for _, rule in rules(found.template, "Egress") if "DestinationSecurityGroupId" in rule]
        assert [(rule["FromPort"], rule["ToPort"]) for rule in ways] == [(found.port, found.port)]
