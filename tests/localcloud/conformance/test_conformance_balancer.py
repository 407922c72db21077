"""ELBv2: load balancers, and what their listeners answer, where a load balancer costs nothing."""

from __future__ import annotations

import http.client
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conformance.conftest import Account
from tests.localcloud.ecs.cloud_harness import free_port

Network = tuple[str, list[str]]
COSTS = "a load balancer costs by the hour and takes minutes"
NOT_FOUND = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "none"}}


@pytest.fixture
def listener(account: Account, name: str, network: Network, cleanup: ExitStack) -> tuple[str, int]:
    """A listener that answers 404; its ARN and port."""
    elb, port = account.client("elbv2"), free_port()
    balancer = elb.create_load_balancer(Name=name, Subnets=network[1], Scheme="internal")["LoadBalancers"][0]
    cleanup.callback(elb.delete_load_balancer, LoadBalancerArn=balancer["LoadBalancerArn"])
    made = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Port=port, Protocol="HTTP", DefaultActions=[NOT_FOUND]
    )
    return made["Listeners"][0]["ListenerArn"], port


def rule(account: Account, listener: str, priority: int, path: str, *actions: dict[str, Any]) -> str:
    made = account.client("elbv2").create_rule(
        ListenerArn=listener, Priority=priority, Actions=list(actions) or [NOT_FOUND],
        Conditions=[{"Field": "path-pattern", "Values": [path]}],
    )["Rules"][0]["RuleArn"]  # fmt: skip
    return str(made)


def ask(port: int, path: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.headers)
    connection.close()
    return found


def test_nothing_is_made_in_a_network_that_does_not_exist(
    account: Account, name: str, network: Network
) -> None:
    elb, made = account.client("elbv2"), {"Name": name, "Scheme": "internal"}
    none = "0f00d0f00d0f00d01"
    with pytest.raises(
        ClientError, match=r"ValidationError.*The VPC ID 'vpc-0f00d0f00d0f00d01' is not found"
    ):
        elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=f"vpc-{none}", TargetType="ip")
    with pytest.raises(elb.exceptions.SubnetNotFoundException):
        elb.create_load_balancer(**made, Subnets=[network[1][0], f"subnet-{none}"])
    with pytest.raises(elb.exceptions.InvalidSecurityGroupException):
        elb.create_load_balancer(**made, Subnets=network[1], SecurityGroups=[f"sg-{none}"])
    with pytest.raises(elb.exceptions.LoadBalancerNotFoundException):
        elb.describe_load_balancers(Names=[name])


@pytest.mark.costly_on_aws(COSTS)
def test_a_load_balancer_is_not_moved_to_where_nothing_is(
    account: Account, name: str, network: Network, cleanup: ExitStack
) -> None:
    elb, none = account.client("elbv2"), "0f00d0f00d0f00d01"
    balancer = elb.create_load_balancer(Name=name, Subnets=network[1], Scheme="internal")["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    cleanup.callback(elb.delete_load_balancer, LoadBalancerArn=arn)
    with pytest.raises(elb.exceptions.SubnetNotFoundException):
        elb.set_subnets(LoadBalancerArn=arn, SubnetMappings=[{"SubnetId": f"subnet-{none}"}])
    with pytest.raises(elb.exceptions.InvalidSecurityGroupException):
        elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[f"sg-{none}"])
    (kept,) = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    assert kept["AvailabilityZones"] == balancer["AvailabilityZones"]
    assert kept["SecurityGroups"] == balancer["SecurityGroups"]


@pytest.mark.costly_on_aws(COSTS)
def test_a_group_in_use_is_not_deleted(
    account: Account, group: str, listener: tuple[str, int], cleanup: ExitStack
) -> None:
    elb = account.client("elbv2")
    made = rule(account, listener[0], 1, "/x", {"Type": "forward", "TargetGroupArn": group})
    cleanup.callback(elb.delete_rule, RuleArn=made)
    with pytest.raises(elb.exceptions.ResourceInUseException):
        elb.delete_target_group(TargetGroupArn=group)


@pytest.mark.costly_on_aws(COSTS)
def test_a_group_names_the_balancers_whose_rules_forward_to_it(
    account: Account, group: str, listener: tuple[str, int]
) -> None:
    elb = account.client("elbv2")
    balancer = elb.describe_listeners(ListenerArns=[listener[0]])["Listeners"][0]["LoadBalancerArn"]

    def used_by() -> list[str]:
        (found,) = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
        return list(found["LoadBalancerArns"])

    assert used_by() == []
    made = rule(account, listener[0], 1, "/x", {"Type": "forward", "TargetGroupArn": group})
    assert used_by() == [balancer]
    (found,) = elb.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    assert found["TargetGroupArn"] == group
    elb.modify_rule(RuleArn=made, Actions=[NOT_FOUND])
    assert used_by() == []
    elb.modify_rule(RuleArn=made, Actions=[{"Type": "forward", "TargetGroupArn": group}])
    assert used_by() == [balancer]
    elb.delete_rule(RuleArn=made)
    assert used_by() == []


@pytest.mark.costly_on_aws(COSTS)
def test_a_name_has_one_load_balancer(
    account: Account, name: str, network: Network, listener: tuple[str, int]
) -> None:
    elb = account.client("elbv2")
    (made,) = elb.describe_load_balancers(Names=[name])["LoadBalancers"]
    request = {"Name": name, "Subnets": network[1], "Scheme": "internal"}
    (same,) = elb.create_load_balancer(**request)["LoadBalancers"]
    assert (same["LoadBalancerArn"], same["DNSName"]) == (made["LoadBalancerArn"], made["DNSName"])
    for other in ({"Scheme": "internet-facing"}, {"Subnets": network[1][:1]}, {"IpAddressType": "dualstack"}):
        with pytest.raises(elb.exceptions.DuplicateLoadBalancerNameException):
            elb.create_load_balancer(**{**request, **other})


@pytest.mark.costly_on_aws(COSTS)
def test_a_priority_is_given_once(account: Account, listener: tuple[str, int]) -> None:
    elb = account.client("elbv2")
    rule(account, listener[0], 7, "/a")
    with pytest.raises(elb.exceptions.PriorityInUseException):
        rule(account, listener[0], 7, "/b")


@pytest.mark.costly_on_aws(COSTS)
def test_priorities_are_exchanged_at_once(account: Account, listener: tuple[str, int]) -> None:
    elb = account.client("elbv2")
    first, second, third = (rule(account, listener[0], number, f"/{number}") for number in (1, 2, 3))

    def priorities() -> dict[str, str]:
        rules = elb.describe_rules(ListenerArn=listener[0])["Rules"]
        return {each["RuleArn"]: each["Priority"] for each in rules if not each["IsDefault"]}

    with pytest.raises(elb.exceptions.PriorityInUseException):
        elb.set_rule_priorities(RulePriorities=[
            {"RuleArn": first, "Priority": 9}, {"RuleArn": second, "Priority": 3},
        ])  # fmt: skip
    assert priorities() == {first: "1", second: "2", third: "3"}
    elb.set_rule_priorities(RulePriorities=[
        {"RuleArn": first, "Priority": 2}, {"RuleArn": second, "Priority": 1},
    ])  # fmt: skip
    assert priorities() == {first: "2", second: "1", third: "3"}


@pytest.mark.costly_on_aws(COSTS)
def test_the_default_rule_stays(account: Account, listener: tuple[str, int]) -> None:
    elb = account.client("elbv2")
    rules = elb.describe_rules(ListenerArn=listener[0])["Rules"]
    default = next(each["RuleArn"] for each in rules if each["IsDefault"])
    with pytest.raises(elb.exceptions.OperationNotPermittedException):
        elb.delete_rule(RuleArn=default)
    with pytest.raises(elb.exceptions.OperationNotPermittedException):
        elb.set_rule_priorities(RulePriorities=[{"RuleArn": default, "Priority": 1}])


@pytest.mark.costly_on_aws(COSTS)
def test_rules_and_actions_name_what_is_there(
    account: Account, group: str, listener: tuple[str, int], name: str
) -> None:
    elb = account.client("elbv2")
    forward = {"Type": "forward", "TargetGroupArn": group.replace(name, f"{name}-0")}
    with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
        rule(account, listener[0], 1, "/x", forward)
    made = rule(account, listener[0], 1, "/x")
    with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
        elb.modify_rule(RuleArn=made, Actions=[forward])
    elb.delete_rule(RuleArn=made)
    with pytest.raises(elb.exceptions.RuleNotFoundException):
        elb.delete_rule(RuleArn=made)
    with pytest.raises(elb.exceptions.RuleNotFoundException):
        elb.describe_rules(RuleArns=[made])
    with pytest.raises(elb.exceptions.ListenerNotFoundException):
        elb.describe_rules(ListenerArn=listener[0].replace(name, f"{name}-0"))


@pytest.mark.costly_on_aws(COSTS)
def test_a_port_has_one_listener(account: Account, listener: tuple[str, int]) -> None:
    elb, (arn, port) = account.client("elbv2"), listener
    balancer = elb.describe_listeners(ListenerArns=[arn])["Listeners"][0]["LoadBalancerArn"]
    request = {"LoadBalancerArn": balancer, "Port": port, "Protocol": "HTTP"}
    same = elb.create_listener(**request, DefaultActions=[NOT_FOUND])["Listeners"]
    assert [each["ListenerArn"] for each in same] == [arn]
    other = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    with pytest.raises(elb.exceptions.DuplicateListenerException):
        elb.create_listener(**request, DefaultActions=[other])


@pytest.mark.costly_on_aws(COSTS)
def test_a_load_balancer_goes_with_its_listeners_unless_it_is_protected(
    account: Account, listener: tuple[str, int]
) -> None:
    elb, (arn, _) = account.client("elbv2"), listener
    balancer = elb.describe_listeners(ListenerArns=[arn])["Listeners"][0]["LoadBalancerArn"]

    def protect(value: str) -> None:
        attribute = {"Key": "deletion_protection.enabled", "Value": value}
        found = elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[attribute])
        assert {"Key": "routing.http2.enabled", "Value": "true"} in found["Attributes"]

    protect("true")
    with pytest.raises(elb.exceptions.OperationNotPermittedException):
        elb.delete_load_balancer(LoadBalancerArn=balancer)
    protect("false")
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    with pytest.raises(elb.exceptions.ListenerNotFoundException):
        elb.describe_listeners(ListenerArns=[arn])


@pytest.mark.costly_on_aws(COSTS)
def test_rules_answer_by_priority_and_the_default_last(account: Account, listener: tuple[str, int]) -> None:
    def text(body: str) -> dict[str, Any]:
        fixed = {"StatusCode": "200", "MessageBody": body, "ContentType": "text/plain"}
        return {"Type": "fixed-response", "FixedResponseConfig": fixed}

    arn, port = listener
    rule(account, arn, 20, "/a*", text("second"))
    rule(account, arn, 10, "/ab", text("first"))
    account.until(lambda: ask(port, "/ab")[0] == 200)
    assert [ask(port, path)[:2] for path in ("/ab", "/ac", "/b")] == [
        (200, b"first"), (200, b"second"), (404, b"none"),
    ]  # fmt: skip


@pytest.mark.costly_on_aws(COSTS)
def test_a_redirect_fills_in_what_it_keeps(account: Account, listener: tuple[str, int]) -> None:
    redirect = {"StatusCode": "HTTP_301", "Protocol": "HTTPS", "Port": "443", "Path": "/new/#{path}"}
    arn, port = listener
    rule(account, arn, 1, "/*", {"Type": "redirect", "RedirectConfig": redirect})
    account.until(lambda: ask(port, "/x")[0] == 301)
    assert ask(port, "/x?a=1")[2]["Location"] == "https://127.0.0.1:443/new/x?a=1"
