"""The network template on the local cloud through every choice, and what EC2 refuses."""

from __future__ import annotations

import itertools
import secrets
from ipaddress import ip_network
from typing import Any

import pytest

from tests.localcloud.conftest import TEMPLATES, Cloud

CHOICES = list(
    itertools.product(("endpoints", "nat", "nat-per-zone", "public"), ("2", "3"), ("ipv4", "dualstack"))
)


def chosen(egress: str, zones: str, family: str) -> dict[str, str]:
    return {"VpcCidr": "10.0.0.0/16", "Egress": egress, "Zones": zones, "AddressFamily": family}


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


class Vpc:
    """What EC2 says of one VPC."""

    def __init__(self, cloud: Cloud, vpc: str) -> None:
        self.ec2 = cloud.client("ec2")
        self.id = vpc
        self.mine = [{"Name": "vpc-id", "Values": [vpc]}]

    def subnets(self) -> dict[str, dict[str, Any]]:
        return {s["SubnetId"]: s for s in self.ec2.describe_subnets(Filters=self.mine)["Subnets"]}

    def routes(self, subnet: str) -> dict[str, str]:
        """Destination and target of a subnet's routes beside the local one."""
        tables = [t for t in self.ec2.describe_route_tables()["RouteTables"] if t["VpcId"] == self.id]
        (table,) = [t for t in tables if any(a.get("SubnetId") == subnet for a in t["Associations"])]
        found = {}
        for route in table["Routes"]:
            destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or ""
            target = (route.get("NatGatewayId") or route.get("EgressOnlyInternetGatewayId")
                      or route.get("GatewayId") or "")  # fmt: skip
            found[destination] = target
        return {destination: target for destination, target in found.items() if target != "local"}

    def live(self) -> set[str]:
        """Gateways that exist."""
        ec2 = self.ec2
        nats = [
            g["NatGatewayId"] for g in ec2.describe_nat_gateways()["NatGateways"] if g["State"] == "available"
        ]
        internet = [g["InternetGatewayId"] for g in ec2.describe_internet_gateways()["InternetGateways"]]
        egress = ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"]
        return {*nats, *internet, *(g["EgressOnlyInternetGatewayId"] for g in egress)}


def leftovers(cloud: Cloud) -> dict[str, set[str]]:
    """Everything of EC2's that a network could leave behind."""
    ec2 = cloud.client("ec2")
    return {
        "vpcs": {v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]},
        "subnets": {s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]},
        "tables": {t["RouteTableId"] for t in ec2.describe_route_tables()["RouteTables"]},
        "gateways": Vpc(cloud, "").live(),
        "addresses": {a["AllocationId"] for a in ec2.describe_addresses()["Addresses"]},
        "endpoints": {e["VpcEndpointId"] for e in ec2.describe_vpc_endpoints()["VpcEndpoints"]},
        "groups": {g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]},
        "flow logs": {f["FlowLogId"] for f in ec2.describe_flow_logs()["FlowLogs"]},
    }


def check(cloud: Cloud, found: dict[str, str], egress: str, zones: str, family: str) -> None:
    """Compare what there is with what was chosen."""
    vpc = Vpc(cloud, found["VpcId"])
    subnets, live = vpc.subnets(), vpc.live()
    public, tasks = found["PublicSubnetIds"].split(","), found["TaskSubnetIds"].split(",")
    assert len(public) == len(tasks) == int(zones)
    assert len({subnets[s]["AvailabilityZone"] for s in tasks}) == int(zones)
    for subnet in public:
        assert vpc.routes(subnet)["0.0.0.0/0"].startswith("igw-")
    ways = [vpc.routes(subnet) for subnet in tasks]
    assert {target for way in ways for target in way.values()} <= live | {
        e["VpcEndpointId"] for e in vpc.ec2.describe_vpc_endpoints()["VpcEndpoints"]
    }
    defaults = [way.get("0.0.0.0/0", "") for way in ways]
    if egress == "endpoints":
        assert defaults == [""] * int(zones)
    elif egress == "public":
        assert {target[:4] for target in defaults} == {"igw-"}
    else:
        assert {target[:4] for target in defaults} == {"nat-"}
        assert len(set(defaults)) == (1 if egress == "nat" else int(zones))
    six = [way.get("::/0", "")[:4] for way in ways]
    expected = {"endpoints": "", "public": "igw-"}.get(egress, "eigw") if family == "dualstack" else ""
    assert set(six) == {expected}
    addresses = len(vpc.ec2.describe_addresses()["Addresses"])
    assert addresses >= {"nat": 1, "nat-per-zone": int(zones)}.get(egress, 0)


@pytest.fixture
def quiet_cloud(own_cloud: Cloud) -> Cloud:
    own_cloud.run("up")
    return own_cloud


def test_every_choice_from_every_kind_of_other(quiet_cloud: Cloud) -> None:
    template = (TEMPLATES / "network.yaml").read_text()
    before = leftovers(quiet_cloud)
    first = quiet_cloud.deploy("network", template, parameters=chosen(*CHOICES[0]))
    assert first["StackStatus"] == "CREATE_COMPLETE", quiet_cloud.failures("network")
    check(quiet_cloud, outputs(first), *CHOICES[0])
    # One walk over all choices in which each property changes alone and with the others.
    for choice in [*CHOICES[1:], *CHOICES[-4::-3]]:
        made = quiet_cloud.deploy("network", template, "UPDATE", parameters=chosen(*choice))
        assert made["StackStatus"] == "UPDATE_COMPLETE", (choice, quiet_cloud.failures("network"))
        assert outputs(made)["VpcId"] == outputs(first)["VpcId"]
        check(quiet_cloud, outputs(made), *choice)
    assert quiet_cloud.failures("network") == []
    assert quiet_cloud.delete("network")["StackStatus"] == "DELETE_COMPLETE"
    assert leftovers(quiet_cloud) == before


BLOCK = {"Type": "AWS::EC2::VPCCidrBlock",
         "Properties": {"VpcId": {"Ref": "Vpc"}, "AmazonProvidedIpv6CidrBlock": True}}  # fmt: skip
SIX = {"Fn::Select": [0, {"Fn::GetAtt": ["Vpc", "Ipv6CidrBlocks"]}]}


def vpc_template(**resources: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.3.0.0/16"}}, "Block": BLOCK,
            **resources,
        }
    }  # fmt: skip


def subnet(four: str, six: Any = None, **more: Any) -> dict[str, Any]:
    properties = {"VpcId": {"Ref": "Vpc"}, "CidrBlock": four, **more}
    if six is not None:
        properties["Ipv6CidrBlock"] = {"Fn::Select": [six, {"Fn::Cidr": [SIX, 4, 64]}]}
    return {"Type": "AWS::EC2::Subnet", "DependsOn": "Block", "Properties": properties}


def test_addresses_of_version_six(shared_cloud: Cloud) -> None:
    template = vpc_template(Subnet=subnet("10.3.0.0/24", 1, AssignIpv6AddressOnCreation=True))
    template["Outputs"] = {
        "Vpc": {"Value": {"Ref": "Vpc"}}, "Six": {"Value": SIX},
        "Block": {"Value": {"Fn::GetAtt": ["Block", "Id"]}},
        "Subnet": {"Value": {"Fn::Select": [0, {"Fn::GetAtt": ["Subnet", "Ipv6CidrBlocks"]}]}},
    }  # fmt: skip
    found = outputs(shared_cloud.deploy("six", template))
    assert ip_network(found["Six"]).prefixlen == 56
    assert ip_network(found["Subnet"]) == list(ip_network(found["Six"]).subnets(new_prefix=64))[1]
    vpc = Vpc(shared_cloud, found["Vpc"])
    described = vpc.ec2.describe_vpcs(VpcIds=[vpc.id])["Vpcs"][0]
    (association,) = described["Ipv6CidrBlockAssociationSet"]
    assert (association["Ipv6CidrBlock"], association["AssociationId"]) == (found["Six"], found["Block"])
    (described,) = vpc.subnets().values()
    assert described["AssignIpv6AddressOnCreation"] is True
    assert described["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] == found["Subnet"]
    assert shared_cloud.delete("six")["StackStatus"] == "DELETE_COMPLETE"


ROUTE = {
    "Type": "AWS::EC2::Route",
    "Properties": {
        "RouteTableId": {"Ref": "Table"}, "DestinationCidrBlock": "0.0.0.0/0",
        "GatewayId": {"Ref": "Gateway"},
    },
}  # fmt: skip
TABLE = {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}}
GATEWAY = {"Type": "AWS::EC2::InternetGateway"}


@pytest.mark.parametrize(
    ("name", "resources", "reason"),
    [
        ("overlap", {"A": subnet("10.3.0.0/20"), "B": {**subnet("10.3.1.0/24"), "DependsOn": "A"}},
         "conflicts"),
        ("outside", {"A": subnet("10.4.0.0/20")}, "not inside"),
        ("again", {"Table": TABLE, "Gateway": GATEWAY, "R": ROUTE, "S": {**ROUTE, "DependsOn": "R"}},
         "The route identified by 0.0.0.0/0 already exists."),
        ("words", {"G": {"Type": "AWS::EC2::SecurityGroup", "Properties": {
            "GroupDescription": "any", "VpcId": {"Ref": "Vpc"}, "SecurityGroupIngress": [
                {"IpProtocol": "-1", "CidrIp": "10.0.0.0/8", "Description": "what's this"}]}}},
         "Invalid description"),
        ("needless", {"A": subnet("10.3.0.0/20", AssignIpv6AddressOnCreation=True)}, "needs an IPv6"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_what_ec2_refuses_fails_the_stack(
    shared_cloud: Cloud, name: str, resources: Any, reason: str
) -> None:
    made = shared_cloud.deploy(f"refused-{name}", vpc_template(**resources))
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert any(reason in event[2] for event in shared_cloud.failures(f"refused-{name}"))


NONE = "0f00d0f00d0f00d01"


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("EC2::VPCEndpoint", {"VpcId": f"vpc-{NONE}"}, "InvalidVpcID.NotFound"),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SubnetIds": [f"subnet-{NONE}"]},
         "InvalidSubnetID.NotFound"),
        ("EC2::VPCEndpoint", {"VpcEndpointType": "Interface", "SecurityGroupIds": [f"sg-{NONE}"]},
         "InvalidGroup.NotFound"),
        ("EC2::VPCEndpoint", {"RouteTableIds": [f"rtb-{NONE}"]}, "InvalidRouteTableID.NotFound"),
        ("EC2::SecurityGroup", {"GroupDescription": "g", "VpcId": f"vpc-{NONE}"}, "InvalidVpcID.NotFound"),
        ("EC2::SecurityGroup", {
            "GroupDescription": "g", "VpcId": {"Ref": "Vpc"},
            "SecurityGroupIngress": [{"IpProtocol": "-1", "SourceSecurityGroupId": f"sg-{NONE}"}],
        }, "InvalidGroup.NotFound"),
        ("EC2::RouteTable", {"VpcId": f"vpc-{NONE}"}, "InvalidVpcID.NotFound"),
        ("ElasticLoadBalancingV2::TargetGroup", {"VpcId": f"vpc-{NONE}", "Port": 80, "Protocol": "HTTP"},
         f"The VPC ID 'vpc-{NONE}' is not found"),
        ("ElasticLoadBalancingV2::LoadBalancer", {"Subnets": [f"subnet-{NONE}"]},
         f"The subnet ID 'subnet-{NONE}' does not exist"),
        ("ElasticLoadBalancingV2::LoadBalancer", {"SecurityGroups": [f"sg-{NONE}"]},
         f"The security group 'sg-{NONE}' does not exist"),
    ],
)  # fmt: skip
def test_what_stands_in_a_network_that_does_not_exist_fails_the_stack(
    shared_cloud: Cloud, kind: str, properties: dict[str, Any], reason: str
) -> None:
    if kind == "EC2::VPCEndpoint":
        properties = {"VpcId": {"Ref": "Vpc"}, "ServiceName": "com.amazonaws.us-east-1.logs", **properties}
    stack = f"nowhere-{secrets.token_hex(4)}"
    template = {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.3.0.0/16"}},
            "It": {"Type": f"AWS::{kind}", "DependsOn": "Vpc", "Properties": properties},
        }
    }
    assert shared_cloud.deploy(stack, template)["StackStatus"] == "ROLLBACK_COMPLETE"
    (failure,) = [event for event in shared_cloud.failures(stack) if event[0] == "It"]
    assert reason in failure[2]


def test_what_a_load_balancer_uses_is_not_deleted(shared_cloud: Cloud) -> None:
    group = {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": "used", "VpcId": {"Ref": "Vpc"}},
    }
    template = vpc_template(A=subnet("10.3.0.0/24"), Group=group)
    template["Outputs"] = {"Subnet": {"Value": {"Ref": "A"}}, "Group": {"Value": {"Ref": "Group"}}}
    found = outputs(shared_cloud.deploy("used-network", template))
    user = {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {"Subnets": [found["Subnet"]], "SecurityGroups": [found["Group"]]},
    }
    shared_cloud.deploy("user", {"Resources": {"Balancer": user}})
    assert shared_cloud.delete("used-network")["StackStatus"] == "DELETE_FAILED"
    refused = {event[0] for event in shared_cloud.failures("used-network") if "dependent object" in event[2]}
    assert refused == {"A", "Group"}
    assert shared_cloud.delete("user")["StackStatus"] == "DELETE_COMPLETE"
    assert shared_cloud.delete("used-network")["StackStatus"] == "DELETE_COMPLETE"
