"""Load balancers that a change would replace without the target groups behind them, which AWS refuses.

A target group belongs to one load balancer, and CloudFormation makes the new one before the old one goes. The
update would get as far as the first rule, and go back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stack.errors import refused
from stack.files.environment import Environment
from stack.review.rows import Row
from stack.scan.resolve import references

_BALANCER, _GROUP = "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancingV2::TargetGroup"
_FORWARDING = ("AWS::ElasticLoadBalancingV2::Listener", "AWS::ElasticLoadBalancingV2::ListenerRule")


@dataclass(frozen=True)
class Bound:
    """A load balancer that is to be replaced, and the target groups that stay."""

    stack: str
    balancer: str
    groups: tuple[str, ...]

    @property
    def in_words(self) -> str:
        """A sentence without its full stop."""
        return f"{self.stack}.{self.balancer} is replaced, but not {', '.join(self.groups)} behind it"


def find(environment: Environment, rows: Sequence[Row]) -> list[Bound]:
    """Find what cannot be replaced as `rows` have it."""
    anew = {(row.stack, row.logical_id): row.type for row in rows if row.replacement == "yes"}
    may = {(row.stack, row.logical_id) for row in rows if row.replacement == "may"}
    found = []
    for (stack, balancer), kind in sorted(anew.items()):
        if kind != _BALANCER:
            continue
        resources = environment.templates[stack].document["Resources"]
        named = {
            name
            for logical_id, resource in resources.items()
            if resource["Type"] in _FORWARDING and (stack, logical_id) in anew
            for name in references(resource.get("Properties"))
        }
        kept = [
            name
            for name in sorted(named)
            if resources.get(name, {}).get("Type") == _GROUP and (stack, name) not in {*anew, *may}
        ]
        if kept:
            found.append(Bound(stack, balancer, tuple(kept)))
    return found


def check(found: Sequence[Bound]) -> None:
    """Raise when something cannot be replaced."""
    if not found:
        return
    lines = "\n".join(f"  {one.in_words}" for one in found)
    raise refused(
        f"Refused; nothing was done. This change cannot succeed:\n{lines}\n"
        "A target group belongs to one load balancer, and the old one is deleted last.",
        "Have the template replace them too, such as by a Name with the new load balancer's id in it, "
        "or make another environment and move over.",
    )
