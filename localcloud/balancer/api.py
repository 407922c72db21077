"""The balancer's part of the ELBv2 API: what MiniStack's handlers do not do, or do without a data plane."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from localcloud import emulator, regions
from localcloud.balancer import records
from localcloud.balancer.targets import REASONS, Group, Target
from localcloud.certificates import NoCertificateError

if TYPE_CHECKING:
    from localcloud.balancer.control import Balancer

#: One balancer's ARN, up to the code of a failed state.
_FAILED = re.compile(
    r"<LoadBalancerArn>([^<]*)</LoadBalancerArn>(?:(?!<LoadBalancerArn>).)*?<State><Code>failed</Code>", re.S
)
_ADDRESS = re.compile(r"<DNSName>.*?</DNSName>")


def replace_handlers(alb: Any, balancer: Balancer) -> None:
    """Put the balancer's handlers in the place of MiniStack's `alb`."""
    actions = alb._ACTION_MAP
    create_listener, create_lb, describe = actions["CreateListener"], actions["CreateLoadBalancer"], alb._xml
    describe_lbs = actions["DescribeLoadBalancers"]

    def creating_listener(params: Any) -> Any:
        try:
            return create_listener(params)
        except NoCertificateError as exc:
            return alb._error("CertificateNotFound", str(exc))
        except ValueError as exc:
            return alb._error("ValidationError", str(exc))

    def creating_lb(params: Any) -> Any:
        answer = create_lb(params)
        balancer.sync()
        # The address that `sync` gave the new balancer.
        address = regions.address(emulator.module("core.responses").get_region())
        return _edited(answer, lambda text: _ADDRESS.sub(f"<DNSName>{address}</DNSName>", text))

    def describing_lbs(params: Any) -> Any:
        balancer.sync()
        return _edited(describe_lbs(params), lambda text: _FAILED.sub(reason, text))

    def reason(found: re.Match[str]) -> str:
        return f"{found[0]}<Reason>{escape(balancer.problem(found[1]))}</Reason>"

    def on_targets(answer: Callable[[Group, list[tuple[str, int]]], Any]) -> Callable[[Any], Any]:
        def handling(params: Any) -> Any:
            arn = alb._p(params, "TargetGroupArn")
            group = balancer.group(arn)
            if group is None:
                return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
            port = records.group_settings(arn)["Port"]
            return answer(
                group, [(t["Id"], int(t.get("Port") or port)) for t in alb._parse_targets_param(params)]
            )

        return handling

    def registering(group: Group, targets: list[tuple[str, int]]) -> Any:
        for target in targets:
            balancer.register(group.arn, *target)
        return alb._empty("RegisterTargets")

    def deregistering(group: Group, targets: list[tuple[str, int]]) -> Any:
        for target in targets:
            balancer.deregister(group.arn, *target)
        return alb._empty("DeregisterTargets")

    def describing_health(group: Group, wanted: list[tuple[str, int]]) -> Any:
        targets = [group.targets.get(key) or _unknown(*key) for key in wanted] or list(group.targets.values())
        used = records.in_use(group.arn)
        return describe(200, "DescribeTargetHealth", _health_xml(targets, used))

    actions.update(
        CreateListener=creating_listener,
        CreateLoadBalancer=creating_lb,
        RegisterTargets=on_targets(registering),
        DeregisterTargets=on_targets(deregistering),
        DescribeLoadBalancers=describing_lbs,
        DescribeTargetHealth=on_targets(describing_health),
    )


def _edited(answer: Any, edit: Callable[[str], str]) -> Any:
    """An answer with its text changed."""
    status, headers, body = answer
    return (status, headers, edit(body.decode()).encode() if isinstance(body, bytes) else edit(body))


def _unknown(address: str, port: int) -> Target:
    return Target(address, port, state="unused", reason="Target.NotRegistered")


def _health_xml(targets: list[Target], used: bool) -> str:
    members = []
    for target in targets:
        state, reason, text = target.state, target.reason, target.describe()
        if not used and state != "draining":
            state, reason, text = "unused", "Target.NotInUse", REASONS["Target.NotInUse"]
        why = f"<Reason>{reason}</Reason><Description>{escape(text)}</Description>" if reason else ""
        members.append(
            f"<member><HealthCheckPort>{target.port}</HealthCheckPort>"
            f"<Target><Id>{escape(target.id)}</Id><Port>{target.port}</Port></Target>"
            f"<TargetHealth><State>{state}</State>{why}</TargetHealth></member>"
        )
    return f"<TargetHealthDescriptions>{''.join(members)}</TargetHealthDescriptions>"
