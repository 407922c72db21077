"""What MiniStack's records say about listeners and target groups."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.balancer.routing import Settings


def alb() -> Any:
    """MiniStack's load balancers."""
    return emulator.module("services.alb")


def listener_settings(arn: str) -> Settings | None:
    """What a listener says now, None when there is no such record."""
    module = alb()
    record = next((record for key, record in module._listeners.all_items() if key[2] == arn), None)
    if record is None:
        return None
    rules = [rule for rule in module._rules.all_values() if rule.get("ListenerArn") == arn]
    of_lb = _attributes(module._lb_attrs, record["LoadBalancerArn"])
    own = _attributes(module._listener_attrs, arn)
    return Settings(
        port=int(record["Port"]),
        protocol=record.get("Protocol", "HTTP"),
        rules=rules,
        idle_seconds=float(of_lb.get("idle_timeout.timeout_seconds", 60)),
        drop_invalid_headers=of_lb.get("routing.http.drop_invalid_header_fields.enabled") == "true",
        server_header=own.get("routing.http.response.server.enabled", "true") == "true",
    )


def group(arn: str) -> dict[str, Any] | None:
    """The record of a target group."""
    for key, record in alb()._tgs.all_items():
        if key[2] == arn:
            found: dict[str, Any] = record
            return found
    return None


def group_settings(arn: str) -> dict[str, Any]:
    """Record and attributes of a target group in one; empty when there is none."""
    return {**(group(arn) or {}), **_attributes(alb()._tg_attrs, arn)}


def in_use(arn: str) -> bool:
    """Whether a listener or rule forwards to the target group."""
    for rule in alb()._rules.all_values():
        for action in rule.get("Actions", []):
            groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
            if action.get("TargetGroupArn") == arn or any(g.get("TargetGroupArn") == arn for g in groups):
                return True
    return False


def _attributes(store: Any, arn: str) -> dict[str, str]:
    for (_, key), attributes in list(store._data.items()):
        if key == arn:
            return {a["Key"]: str(a["Value"]) for a in attributes}
    return {}
