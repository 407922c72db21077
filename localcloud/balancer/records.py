"""What MiniStack's records say about listeners and target groups."""

from __future__ import annotations

from typing import Any

from localcloud import emulator
from localcloud.balancer.routing import Settings, in_order

#: Listener attributes that put a header into every answer.
_ADDED_HEADERS = {
    f"routing.http.response.{name.lower().replace('-', '_')}.header_value": name.encode()
    for name in (
        "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
        "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
        "Strict-Transport-Security", "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options",
    )
}  # fmt: skip


def alb() -> Any:
    """MiniStack's load balancers."""
    return emulator.module("services.alb")


def listener(arn: str) -> dict[str, Any] | None:
    """The record of a listener."""
    for key, record in alb()._listeners.all_items():
        if key[2] == arn:
            found: dict[str, Any] = record
            return found
    return None


def listener_settings(arn: str) -> Settings | None:
    """What a listener says now, None when there is no such record."""
    module = alb()
    record = listener(arn)
    if record is None:
        return None
    rules = in_order(rule for rule in module._rules.all_values() if rule.get("ListenerArn") == arn)
    of_lb = attributes(module._lb_attrs, record["LoadBalancerArn"])
    own = attributes(module._listener_attrs, arn)
    protocol = record.get("Protocol", "HTTP")
    return Settings(
        port=int(record["Port"]),
        protocol=protocol,
        rules=rules,
        idle_seconds=float(of_lb.get("idle_timeout.timeout_seconds", 60)),
        drop_invalid_headers=of_lb.get("routing.http.drop_invalid_header_fields.enabled") == "true",
        load_balancer=record["LoadBalancerArn"],
        certificate=next(iter(record.get("Certificates") or ()), "-"),
        access_logs=(of_lb.get("access_logs.s3.bucket", ""), of_lb.get("access_logs.s3.prefix", ""))
        if of_lb.get("access_logs.s3.enabled") == "true"
        else None,
        strictest=of_lb.get("routing.http.desync_mitigation_mode") == "strictest",
        server_header=own.get("routing.http.response.server.enabled", "true") == "true",
        added_headers={
            name: own[key].encode()
            for key, name in _ADDED_HEADERS.items()
            if own.get(key) and (name != b"Strict-Transport-Security" or protocol == "HTTPS")
        },
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
    return {**(group(arn) or {}), **attributes(alb()._tg_attrs, arn)}


def guard(arn: str) -> dict[str, Any] | None:
    """The web ACL in front of a listener's load balancer."""
    waf = emulator.module("services.waf")
    load_balancer = (listener(arn) or {}).get("LoadBalancerArn")
    arn = next((acl for key, acl in waf._associations.all_items() if key[2] == load_balancer), "")
    return next((acl for acl in waf._web_acls.all_values() if acl["ARN"] == arn), None)


def ip_set(arn: str) -> list[str]:
    """The networks of an IP set; none when it is gone."""
    sets = emulator.module("services.waf")._ip_sets.all_values()
    return next((list(found["Addresses"]) for found in sets if found["ARN"] == arn), [])


def in_use(arn: str) -> bool:
    """Whether a listener or rule forwards to the target group."""
    rules = alb()._rules.all_values()
    return any(arn in target_groups(action) for rule in rules for action in rule.get("Actions", []))


def target_groups(action: dict[str, Any]) -> set[str]:
    """The target groups that an action forwards to, those without weight included."""
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    return {group["TargetGroupArn"] for group in (*groups, action) if group.get("TargetGroupArn")}


def attributes(store: Any, arn: str) -> dict[str, str]:
    """The attributes that were set, of what a store of MiniStack's has them."""
    for scope, stored in list(store._data.items()):
        if scope[-1] == arn:
            return {a["Key"]: str(a["Value"]) for a in stored}
    return {}
