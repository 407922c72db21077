"""The balancer's part of the ELBv2 API: what MiniStack's handlers do not do, or do without a data plane."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from localcloud.balancer.sockets import PortTakenError
from localcloud.balancer.targets import REASONS, Target

if TYPE_CHECKING:
    from localcloud.balancer.control import Balancer


def replace_handlers(alb: Any, balancer: Balancer) -> None:
    """Put the balancer's handlers in the place of MiniStack's `alb`."""
    actions = alb._ACTION_MAP
    create_listener, create_lb, describe = actions["CreateListener"], actions["CreateLoadBalancer"], alb._xml

    def creating_listener(params: Any) -> Any:
        try:
            return create_listener(params)
        except PortTakenError as exc:
            return alb._error("ValidationError", str(exc))

    def creating_lb(params: Any) -> Any:
        answer = create_lb(params)
        balancer.sync()
        return _with_address(answer)

    def parsed(params: Any) -> tuple[str, list[tuple[str, int]]]:
        arn = alb._p(params, "TargetGroupArn")
        port = int((balancer.record(arn) or {}).get("Port", 80))
        return arn, [(t["Id"], int(t.get("Port") or port)) for t in alb._parse_targets_param(params)]

    def registering(params: Any) -> Any:
        arn, targets = parsed(params)
        if balancer.record(arn) is None:
            return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
        for target in targets:
            balancer.register(arn, *target)
        return alb._empty("RegisterTargets")

    def deregistering(params: Any) -> Any:
        arn, targets = parsed(params)
        if balancer.record(arn) is None:
            return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
        for target in targets:
            balancer.deregister(arn, *target)
        return alb._empty("DeregisterTargets")

    def describing_health(params: Any) -> Any:
        arn, wanted = parsed(params)
        group = balancer.group(arn)
        if group is None:
            return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
        targets = [group.targets.get(key) or _unknown(*key) for key in wanted] or list(group.targets.values())
        used = balancer.in_use(arn)
        return describe(200, "DescribeTargetHealth", _health_xml(targets, used))

    actions.update(
        CreateListener=creating_listener,
        CreateLoadBalancer=creating_lb,
        RegisterTargets=registering,
        DeregisterTargets=deregistering,
        DescribeTargetHealth=describing_health,
    )


def _with_address(answer: Any) -> Any:
    """The creation's answer with the address that `sync` gave the new balancer."""
    status, headers, body = answer
    text = body.decode() if isinstance(body, bytes) else body
    text = re.sub(r"<DNSName>.*?</DNSName>", "<DNSName>127.0.0.1</DNSName>", text)
    return status, headers, text.encode() if isinstance(body, bytes) else text


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
