"""Forward actions with several target groups: in the API, and how requests are divided."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloud_harness import LocalCloud

from localcloud.balancer.routing import target_group
from localcloud.balancer.weights import of_action
from tests.localcloud.ecs.cloud_harness import VPC


def test_requests_are_divided_by_weight() -> None:
    groups = [{"TargetGroupArn": "a", "Weight": 90}, {"TargetGroupArn": "b", "Weight": 10}]
    action = {"Type": "forward", "TargetGroupArn": "a", "ForwardConfig": {"TargetGroups": groups}}
    assert of_action(action) == {"a": 90, "b": 10}
    drawn = Counter(target_group(action) for _ in range(2000))
    assert 100 < drawn["b"] < 350
    groups[0]["Weight"] = 0
    assert {target_group(action) for _ in range(100)} == {"b"}
    groups[1]["Weight"] = 0
    assert target_group(action) is None


@pytest.mark.parametrize(
    "action",
    [{"TargetGroupArn": "a"}, {"ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "a", "Weight": 0}]}}],
)
def test_a_single_group_gets_everything(action: dict[str, Any]) -> None:
    assert target_group({"Type": "forward", **action}) == "a"
    assert of_action(action) == {"a": 1}


def test_rules_and_listeners_are_described_with_their_weights(cloud: LocalCloud) -> None:
    blue, elb = cloud.balancer(), cloud.client("elbv2")
    green = elb.create_target_group(Name="tg2", Protocol="HTTP", Port=80, VpcId=VPC, TargetType="ip")
    both = [blue, green["TargetGroups"][0]["TargetGroupArn"]]
    lb = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=lb)["Listeners"]
    off = {"Enabled": False}
    # A group alone is named twice, as on AWS; several are named in the configuration only.
    assert listener["DefaultActions"] == [
        {
            "Type": "forward", "Order": 1, "TargetGroupArn": blue,
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": blue, "Weight": 1}], "TargetGroupStickinessConfig": off,
            },
        }
    ]  # fmt: skip
    config = {
        "TargetGroups": [{"TargetGroupArn": arn, "Weight": n} for arn, n in zip(both, (999, 0), strict=True)],
        "TargetGroupStickinessConfig": off,
    }
    rule = elb.create_rule(
        ListenerArn=listener["ListenerArn"], Priority=1,
        Actions=[{"Type": "forward", "ForwardConfig": config}],
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
    )["Rules"][0]  # fmt: skip
    expected = [{"Type": "forward", "Order": 1, "ForwardConfig": config}]
    assert rule["Actions"] == expected
    cloud.down()
    cloud.up()
    (found,) = elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"]
    assert found["Actions"] == expected
    elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=expected)
    (listener,) = elb.describe_listeners(LoadBalancerArn=lb)["Listeners"]
    assert listener["DefaultActions"] == expected
    sticky = {**config, "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}
    with pytest.raises(ClientError, match="no stickiness"):
        elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[{"Type": "forward", "ForwardConfig": sticky}])
