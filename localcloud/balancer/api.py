"""The balancer's part of the ELBv2 API: what MiniStack's handlers do not do, or do without a data plane."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from localcloud import emulator, regions
from localcloud.balancer import records
from localcloud.balancer.targets import REASONS, Target
from localcloud.certificates import NoCertificateError

if TYPE_CHECKING:
    from localcloud.balancer.control import Balancer

#: One balancer's ARN, up to the code of a failed state.
_FAILED = re.compile(
    r"<LoadBalancerArn>([^<]*)</LoadBalancerArn>(?:(?!<LoadBalancerArn>).)*?<State><Code>failed</Code>", re.S
)


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
        return _with_address(answer)

    def describing_lbs(params: Any) -> Any:
        balancer.sync()
        status, headers, body = describe_lbs(params)
        text = body.decode() if isinstance(body, bytes) else body
        text = _FAILED.sub(
            lambda found: f"{found[0]}<Reason>{escape(balancer.problem(found[1]))}</Reason>", text
        )
        return status, headers, text.encode() if isinstance(body, bytes) else text

    def parsed(params: Any) -> tuple[str, list[tuple[str, int]]]:
        arn = alb._p(params, "TargetGroupArn")
        port = int((records.group(arn) or {}).get("Port", 80))
        return arn, [(t["Id"], int(t.get("Port") or port)) for t in alb._parse_targets_param(params)]

    def registering(params: Any) -> Any:
        arn, targets = parsed(params)
        if records.group(arn) is None:
            return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
        for target in targets:
            balancer.register(arn, *target)
        return alb._empty("RegisterTargets")

    def deregistering(params: Any) -> Any:
        arn, targets = parsed(params)
        if records.group(arn) is None:
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
        used = records.in_use(arn)
        return describe(200, "DescribeTargetHealth", _health_xml(targets, used))

    actions.update(
        CreateListener=creating_listener,
        CreateLoadBalancer=creating_lb,
        RegisterTargets=registering,
        DeregisterTargets=deregistering,
        DescribeLoadBalancers=describing_lbs,
        DescribeTargetHealth=describing_health,
    )


def _with_address(answer: Any) -> Any:
    """The creation's answer with the address that `sync` gave the new balancer."""
    status, headers, body = answer
    text = body.decode() if isinstance(body, bytes) else body
    address = regions.address(emulator.module("core.responses").get_region())
    text = re.sub(r"<DNSName>.*?</DNSName>", f"<DNSName>{address}</DNSName>", text)
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
