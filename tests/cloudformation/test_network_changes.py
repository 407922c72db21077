"""Every choice of the network stack can become every other one without anything being replaced."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from localcloud import schemas
from stack.files import templates
from stack.scan.resolve import resolve
from stack.scan.standins import pseudo_parameters

ROOT = Path(__file__).parents[2]
CHOICES = {
    "Egress": ["endpoints", "nat", "nat-per-zone", "public"],
    "Zones": ["2", "3"],
    "AddressFamily": ["ipv4", "dualstack"],
    "ExecuteCommandEndpoint": ["true", "false"],
    "KeyArn": ["none", "arn:aws:kms:us-east-1:123456789012:key/0"],
}
# What tasks and load balancer stand in while the network changes under them.
SHARED = {
    "AWS::EC2::VPC",
    "AWS::EC2::VPCCidrBlock",
    "AWS::EC2::Subnet",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SubnetRouteTableAssociation",
}


@cache
def create_only(kind: str) -> set[str]:
    """Properties of a type whose change replaces the resource, by AWS's schema."""
    schema = schemas.schema(kind)
    assert schema, kind
    paths = schema.get("createOnlyProperties", []) + schema.get("conditionalCreateOnlyProperties", [])
    return {path.split("/")[2] for path in paths}


@cache
def network() -> dict[str, Any]:
    return templates.parse((ROOT / "cloudformation" / "network.yaml").read_text())


def chosen(region: str = "us-east-1", **choice: str) -> dict[str, Any]:
    """The network's template with these parameters, the others by default."""
    template = network()
    values = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    return resolve(template, {**pseudo_parameters(region, "echo-room-test-network"), **values, **choice})


@pytest.fixture(scope="module")
def variants() -> list[dict[str, Any]]:
    return [
        chosen(**dict(zip(CHOICES, values, strict=True)))["Resources"]
        for values in product(*CHOICES.values())
    ]


def test_the_variants_differ(variants: list[dict[str, Any]]) -> None:
    assert len({tuple(sorted(variant)) for variant in variants}) >= 10


def test_what_others_stand_in_is_the_same_in_every_variant(variants: list[dict[str, Any]]) -> None:
    shared = [
        {name: item for name, item in variant.items() if item["Type"] in SHARED} for variant in variants
    ]
    assert len(shared[0]) == 1 + 1 + 6 + 4 + 6
    assert all(one == shared[0] for one in shared)


def test_no_change_replaces_anything(variants: list[dict[str, Any]]) -> None:
    seen: dict[tuple[str, str], Any] = {}
    for variant in variants:
        for name, item in variant.items():
            for key in create_only(item["Type"]):
                value = item["Properties"].get(key)
                assert seen.setdefault((name, key), value) == value, f"{name}.{key}"


@pytest.mark.parametrize("zones", ["2", "3"])
@pytest.mark.parametrize("egress", CHOICES["Egress"])
def test_balancer_and_tasks_get_a_subnet_a_zone(egress: str, zones: str) -> None:
    outputs = chosen(Egress=egress, Zones=zones)["Outputs"]
    kind = "Public" if egress == "public" else "Private"
    letters = "ABC"[: int(zones)]
    for name, prefix in (("PublicSubnetIds", "Public"), ("TaskSubnetIds", kind)):
        subnets = [{"Ref": f"{prefix}Subnet{letter}"} for letter in letters]
        assert outputs[name]["Value"] == {"Fn::Join": [",", subnets]}
    assert outputs["AssignPublicIp"]["Value"] == ("ENABLED" if egress == "public" else "DISABLED")


@pytest.mark.parametrize("family", CHOICES["AddressFamily"])
@pytest.mark.parametrize("zones", CHOICES["Zones"])
def test_with_endpoints_no_private_subnet_has_a_way_to_the_internet(zones: str, family: str) -> None:
    resources = chosen(Egress="endpoints", Zones=zones, AddressFamily=family)["Resources"]
    routes = [item["Properties"] for item in resources.values() if item["Type"] == "AWS::EC2::Route"]
    assert routes
    assert all(route["RouteTableId"] == {"Ref": "PublicRouteTable"} for route in routes)


def test_each_zone_has_a_gateway_of_its_own_with_nat_per_zone() -> None:
    resources = chosen(Egress="nat-per-zone", Zones="3")["Resources"]
    for letter in "ABC":
        route = resources[f"PrivateDefaultRoute{letter}"]["Properties"]
        assert route["NatGatewayId"] == {"Ref": f"NatGateway{letter}"}
        gateway = resources[f"NatGateway{letter}"]["Properties"]
        assert gateway["SubnetId"] == {"Ref": f"PublicSubnet{letter}"}
        subnet = resources[f"PrivateSubnet{letter}"]["Properties"]
        public = resources[f"PublicSubnet{letter}"]["Properties"]
        assert subnet["AvailabilityZone"] == public["AvailabilityZone"]


def test_a_region_of_two_zones_has_no_third_subnet() -> None:
    resources = chosen("us-west-1", Egress="nat-per-zone", AddressFamily="dualstack")["Resources"]
    assert not [name for name in resources if name.endswith("C") or "SubnetC" in name]
