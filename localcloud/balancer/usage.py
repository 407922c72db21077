"""Which load balancers forward to a target group."""

from __future__ import annotations

from localcloud.balancer import records
from localcloud.resources.base import attributes_changed

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"


def note() -> None:
    """Say of every target group which balancers forward to it, by a listener or only by a rule."""
    alb = records.alb()
    for arn, group in alb._tgs.items():
        used_by = sorted(
            {
                alb._listeners[rule["ListenerArn"]]["LoadBalancerArn"]
                for rule in alb._rules.values()
                if rule["ListenerArn"] in alb._listeners
                and any(arn in records.target_groups(action) for action in rule["Actions"])
            }
        )
        if used_by != group.get("LoadBalancerArns"):
            group["LoadBalancerArns"] = used_by
            attributes_changed(_GROUP, arn, {"LoadBalancerArns": used_by})
