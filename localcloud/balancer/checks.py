"""What Elastic Load Balancing refuses, of a stack's resource and of a request alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localcloud import networks
from localcloud.balancer import records
from localcloud.balancer.attributes import DEFAULTS, RANGES

Record = dict[str, Any]

#: The actions that the local cloud's balancer has.
_DONE = ("forward", "fixed-response", "redirect")
#: Health check settings and their bounds.
_HEALTH = {
    "HealthCheckIntervalSeconds": (5, 300), "HealthCheckTimeoutSeconds": (2, 120),
    "HealthyThresholdCount": (2, 10), "UnhealthyThresholdCount": (2, 10),
}  # fmt: skip
_MOST_PRIORITY = 50_000


class ElbError(ValueError):
    """What is refused; `code` is the error's in the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def not_done(what: str) -> ElbError:
    """Refuses what AWS's balancer does and the local cloud's does not: it must not be skipped unnoticed."""
    return ElbError("InvalidConfigurationRequest", f"the local cloud's load balancer {what}")


def actions(given: Iterable[Record], balancer: str) -> None:
    """Actions of a balancer's listener or rule that can be done, to target groups that no other one has."""
    for action in given:
        if action["Type"] not in _DONE:
            raise not_done(f"has no {action['Type']} actions, only {', '.join(_DONE)}")
        forward = action.get("ForwardConfig") or {}
        if str((forward.get("TargetGroupStickinessConfig") or {}).get("Enabled")).lower() == "true":
            raise not_done("has no stickiness")
        for arn in sorted(records.target_groups(action)):
            group = records.group(arn)
            if group is None:
                raise ElbError("TargetGroupNotFound", f"Target groups '{arn}' not found")
            if any(user != balancer for user in group.get("LoadBalancerArns", [])):
                raise ElbError(
                    "TargetGroupAssociationLimit",
                    "The following target groups cannot be associated with more than one load balancer: "
                    f"{arn}",
                )


def priority(listener: str, wanted: str, own: Iterable[str] = ()) -> None:
    """A priority that no rule of the listener has but those in `own`."""
    if not (wanted.isdecimal() and 1 <= int(wanted) <= _MOST_PRIORITY):
        raise ElbError(
            "ValidationError", f"Rule priority '{wanted}' must be between '1' and '{_MOST_PRIORITY}'"
        )
    for arn, rule in records.alb()._rules.items():
        if rule["ListenerArn"] == listener and rule["Priority"] == wanted and arn not in own:
            raise ElbError("PriorityInUse", f"Priority '{wanted}' is currently in use")


def place(kind: str, identities: Iterable[str]) -> None:
    """A `vpc`, or every `subnet` or security `group`, exists."""
    try:
        networks.check(kind, identities)
    except networks.UnknownIdError as exc:
        code = {"subnet": "SubnetNotFound", "group": "InvalidSecurityGroup"}.get(kind, "ValidationError")
        message = f"The VPC ID '{exc.id}' is not found" if kind == "vpc" else str(exc)
        raise ElbError(code, message) from exc


def unused(group: str) -> None:
    """A target group that is to go is nobody's target."""
    if records.in_use(group):
        raise ElbError("ResourceInUse", f"Target group '{group}' is currently in use by a listener or a rule")


def unprotected(balancer: str) -> None:
    """A load balancer that is to go may."""
    if records.attributes(records.alb()._lb_attrs, balancer).get("deletion_protection.enabled") == "true":
        raise ElbError(
            "OperationNotPermitted",
            f"Load balancer '{balancer}' cannot be deleted because deletion protection is enabled",
        )


def health_check(given: Mapping[str, Any], record: Mapping[str, Any] | None = None) -> None:
    """Settings of a target group's health checks within their bounds; `record` is what they change."""
    for name, (least, most) in _HEALTH.items():
        if name in given and not least <= int(given[name]) <= most:
            raise ElbError(
                "ValidationError", f"{name} '{given[name]}' must be between '{least}' and '{most}'"
            )
    now = {**(record or {"HealthCheckIntervalSeconds": 30, "HealthCheckTimeoutSeconds": 5}), **given}
    interval, timeout = int(now["HealthCheckIntervalSeconds"]), int(now["HealthCheckTimeoutSeconds"])
    if timeout >= interval:
        raise ElbError(
            "ValidationError",
            f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'",
        )


def attributes(kind: str, given: Iterable[Mapping[str, Any]] | None) -> None:
    """Attributes of a `load balancer`, a `target group` or a `listener`, their names and their values."""
    for attribute in given or ():
        key, value = attribute["Key"], str(attribute.get("Value", ""))
        if key not in DEFAULTS[kind]:
            raise ElbError("ValidationError", f"{kind.capitalize()} attribute key '{key}' is not recognized")
        if key.endswith(".enabled") and DEFAULTS[kind][key] in ("true", "false"):
            fine = value in ("true", "false")
        else:
            ranges = RANGES.get(key)
            fine = ranges is None or (value.isdecimal() and any(int(value) in each for each in ranges))
        if not fine:
            raise ElbError(
                "ValidationError", f"{kind.capitalize()} attribute value '{value}' is not valid for '{key}'"
            )
        if (key, value) == ("stickiness.enabled", "true"):
            raise not_done("has no stickiness")
