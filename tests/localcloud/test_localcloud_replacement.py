"""What an update replaces: the new one beside the old one, then whoever uses it, then the old one goes."""

from __future__ import annotations

import http.client
from typing import Any

from tests.localcloud.conftest import Cloud, free_port
from tests.localcloud.ecs.cloud_harness import SUBNET_A, SUBNET_B, VPC
from tests.localcloud.every_type import att, ref, resource


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def table(key: str) -> dict[str, Any]:
    return {
        "Resources": {
            "Table": resource(
                "DynamoDB::Table", BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            ),
        },
        "Outputs": {"Table": {"Value": ref("Table")}},
    }  # fmt: skip


def test_a_table_with_another_key_is_another_table(shared_cloud: Cloud) -> None:
    dynamodb = shared_cloud.client("dynamodb")
    old = outputs(shared_cloud.deploy("rekeyed", table("one")))["Table"]
    made = shared_cloud.deploy("rekeyed", table("two"), "UPDATE")
    assert made["StackStatus"] == "UPDATE_COMPLETE", shared_cloud.failures("rekeyed")
    new = outputs(made)["Table"]
    assert new != old
    assert dynamodb.describe_table(TableName=new)["Table"]["KeySchema"][0]["AttributeName"] == "two"
    assert old not in dynamodb.list_tables()["TableNames"]
    assert ("Table", "DELETE_COMPLETE", "") in shared_cloud.events("rekeyed")
    assert shared_cloud.delete("rekeyed")["StackStatus"] == "DELETE_COMPLETE"


def balancer(port: int, scheme: str, group: str, said: str) -> dict[str, Any]:
    """A balancer that answers /fixed with `said`, and sends /tasks to the target group called `group`."""
    return {
        "Resources": {
            "Balancer": resource("ElasticLoadBalancingV2::LoadBalancer", Scheme=scheme,
                                 Subnets=[SUBNET_A, SUBNET_B]),
            "Group": resource("ElasticLoadBalancingV2::TargetGroup", VpcId=VPC, Port=80, Protocol="HTTP",
                              TargetType="ip", Name=group),
            "Listener": resource(
                "ElasticLoadBalancingV2::Listener", LoadBalancerArn=ref("Balancer"), Port=port,
                Protocol="HTTP", DefaultActions=[{
                    "Type": "fixed-response",
                    "FixedResponseConfig": {"StatusCode": "200", "MessageBody": said},
                }],
            ),
            "Rule": resource(
                "ElasticLoadBalancingV2::ListenerRule", ListenerArn=ref("Listener"), Priority=1,
                Actions=[{"Type": "forward", "TargetGroupArn": ref("Group")}],
                Conditions=[{"Field": "path-pattern", "Values": ["/tasks"]}],
            ),
        },
        "Outputs": {"Arn": {"Value": ref("Balancer")}, "Address": {"Value": att("Balancer", "DNSName")}},
    }  # fmt: skip


def ask(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_load_balancer_is_replaced_on_its_port(shared_cloud: Cloud) -> None:
    elb, port = shared_cloud.client("elbv2"), free_port()
    first = shared_cloud.deploy("replaced", balancer(port, "internet-facing", "replaced-1", "old"))
    assert first["StackStatus"] == "CREATE_COMPLETE", shared_cloud.failures("replaced")
    assert ask(port) == (200, b"old")
    made = shared_cloud.deploy("replaced", balancer(port, "internal", "replaced-2", "new"), "UPDATE")
    assert made["StackStatus"] == "UPDATE_COMPLETE", shared_cloud.failures("replaced")
    assert outputs(made)["Arn"] != outputs(first)["Arn"]
    assert ask(port) == (200, b"new")
    assert ask(port, "/tasks")[0] == 503
    (found,) = elb.describe_load_balancers(LoadBalancerArns=[outputs(made)["Arn"]])["LoadBalancers"]
    assert (found["Scheme"], found["State"]["Code"]) == ("internal", "active")
    left = {one["LoadBalancerArn"] for one in elb.describe_load_balancers()["LoadBalancers"]}
    assert outputs(first)["Arn"] not in left
    assert shared_cloud.delete("replaced")["StackStatus"] == "DELETE_COMPLETE"


def test_a_target_group_does_not_follow_to_another_load_balancer(shared_cloud: Cloud) -> None:
    """As on AWS, where it belongs to one load balancer, and the old one is still there."""
    port = free_port()
    first = shared_cloud.deploy("bound", balancer(port, "internet-facing", "bound", "old"))
    made = shared_cloud.deploy("bound", balancer(port, "internal", "bound", "new"), "UPDATE")
    assert made["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    (failed,) = [event for event in shared_cloud.failures("bound") if event[0] == "Rule"]
    assert "The following target groups cannot be associated with more than one load balancer" in failed[2]
    assert outputs(made)["Arn"] == outputs(first)["Arn"]
    assert ask(port) == (200, b"old")
    assert shared_cloud.delete("bound")["StackStatus"] == "DELETE_COMPLETE"
