"""The probe gets from every network to the balancer, and nobody gets to the probe."""

import dataclasses
import json
from typing import Any

import pytest

from app.probe import refusals
from app.probe.result import MOST_VALUES
from app.probe.texts import SCRIPT, texts
from stack.scan.resolve import references
from stack.scan.templates import Resolved, resolved
from tests.cloudformation.service import load_environment


def prod_with(**given: dict[str, str]) -> dict[str, Resolved]:
    """The stacks of prod with other parameters in some of them."""
    environment = load_environment("prod")
    parameters = {
        stack: {**environment.parameters[stack], **given.get(stack, {})} for stack in environment.stacks
    }
    return resolved(dataclasses.replace(environment, parameters=parameters))


def group(stacks: dict[str, Resolved]) -> Any:
    (found,) = stacks["probe"].of_type("AWS::EC2::SecurityGroup").values()
    return found


def ways_out(stacks: dict[str, Resolved]) -> list[tuple[str, int]]:
    return [
        (rule.get("CidrIp") or rule["CidrIpv6"], int(rule["FromPort"]))
        for rule in group(stacks)["SecurityGroupEgress"]
    ]


@pytest.mark.parametrize(
    ("egress", "public"), [("endpoints", True), ("nat", False), ("nat-per-zone", False), ("public", True)]
)
def test_it_stands_where_there_is_a_way_to_the_balancers_public_addresses(egress: str, public: bool) -> None:
    stacks = prod_with(network={"Egress": egress})
    (rule,) = stacks["probe"].of_type("AWS::Events::Rule").values()
    where = rule["Targets"][0]["EcsParameters"]["NetworkConfiguration"]["AwsVpcConfiguration"]
    assert where["AssignPublicIp"] == ("ENABLED" if public else "DISABLED")
    given = stacks["probe"].values
    assert where["Subnets"] == given["PublicSubnetIds" if public else "TaskSubnetIds"]
    assert (given["PublicSubnetIds"] == given["TaskSubnetIds"]) == (egress == "public")


def test_nobody_calls_it_and_it_calls_one_port_besides_aws() -> None:
    stacks = prod_with(network={"AddressFamily": "ipv4"}, service={"HttpsPort": "8443"})
    assert not group(stacks).get("SecurityGroupIngress")
    assert ways_out(stacks) == [("0.0.0.0/0", 443), ("0.0.0.0/0", 8443)]


def test_from_the_public_subnets_it_gets_to_aws_by_the_endpoints() -> None:
    network = prod_with()["network"]
    public = {name for name in network.of_type("AWS::EC2::Subnet") if name.startswith("Public")}
    associations = network.of_type("AWS::EC2::SubnetRouteTableAssociation").values()
    tables = {one["RouteTableId"]["Ref"] for one in associations if one["SubnetId"]["Ref"] in public}
    (vpc,) = network.of_type("AWS::EC2::VPC").values()
    kinds = set()
    for one in network.of_type("AWS::EC2::VPCEndpoint").values():
        kinds.add(one["VpcEndpointType"])
        if one["VpcEndpointType"] == "Gateway":
            assert tables <= references(one["RouteTableIds"])
        else:
            assert one["PrivateDnsEnabled"], "its public name leads there, in the whole VPC"
            groups = references(one["SecurityGroupIds"])
            (rule,) = (
                rule
                for name in groups
                for rule in network.of_type("AWS::EC2::SecurityGroup")[name]["SecurityGroupIngress"]
            )
            whole = rule["CidrIp"]
            assert whole == vpc["CidrBlock"] or references(whole) == {"Vpc"}
    assert len(public) == 3
    assert kinds == {"Gateway", "Interface"}


def test_ec2_takes_each_way_out_once() -> None:
    assert ways_out(prod_with()) == [("0.0.0.0/0", 443), ("::/0", 443)]


@pytest.mark.parametrize(
    ("edge", "stopped"),
    [({}, True), ({"BodyScripts": "count"}, False), ({"WebAcl": "off"}, False)],
    ids=["block", "count", "no web ACL"],
)
def test_it_is_told_whether_scripts_have_to_be_stopped(edge: dict[str, str], stopped: bool) -> None:
    (rule,) = prod_with(edge=edge)["probe"].of_type("AWS::Events::Rule").values()
    (override,) = json.loads(rule["Targets"][0]["Input"])["containerOverrides"]
    url = "https://echo.example.org"
    assert override["command"] == ["probe", "--url", url, *(["--scripts-stopped"] if stopped else [])]


def test_what_it_has_refused_rings_no_alarm_of_the_web_acl(templates: dict[str, Any]) -> None:
    """Two probes at once, and scripts among the strings as well, in both spellings."""
    blocked = 2 * (len(refusals.SCRIPTS) + 2 * texts(MOST_VALUES // 2).count(SCRIPT))
    assert 0 < blocked < templates["monitoring"]["Parameters"]["WebAclSurge"]["MinValue"]
    assert templates["probe"]["Parameters"]["ProbeMinutes"]["MinValue"] * 60 > 300


def test_switched_off_it_rests_and_no_alarm_waits_for_it() -> None:
    stacks = prod_with(probe={"Probe": "off"})
    (rule,) = stacks["probe"].of_type("AWS::Events::Rule").values()
    assert rule["State"] == "DISABLED"
    assert not stacks["probe"].of_type("AWS::CloudWatch::Alarm")


def test_of_an_environment_that_sleeps_no_failures_are_told() -> None:
    asleep = resolved(load_environment("dev"))["probe"].of_type("AWS::CloudWatch::Alarm")
    awake = prod_with()["probe"].of_type("AWS::CloudWatch::Alarm")
    assert awake.keys() - asleep.keys() == {"ProbeFailuresAlarm"}
