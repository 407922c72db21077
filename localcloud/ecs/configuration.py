"""What a service says about its deployments: AWS's defaults, numbers as numbers, and what AWS refuses."""

from __future__ import annotations

from typing import Any

from localcloud import balancer
from localcloud.ecs import capacity
from localcloud.ecs.records import Record

STRATEGIES = ("ROLLING", "BLUE_GREEN", "CANARY", "LINEAR")
#: Bake time where none is given, in minutes.
_BAKE = {"ROLLING": 0, "BLUE_GREEN": 15, "CANARY": 15, "LINEAR": 15}


class RefusedError(ValueError):
    """A request that AWS refuses; the message is the exception's."""


def deployment_configuration(given: Record | None) -> Record:
    """The configuration with AWS's defaults, numbers and booleans as such. Raises RefusedError."""
    found = {"strategy": "ROLLING", "maximumPercent": 200, "minimumHealthyPercent": 100, **(given or {})}
    strategy = found["strategy"]
    if strategy not in STRATEGIES:
        raise RefusedError(f"Unknown deployment strategy {strategy}; it is one of {', '.join(STRATEGIES)}.")
    if found.get("lifecycleHooks"):
        raise RefusedError("The local cloud runs no lifecycle hooks; leave lifecycleHooks out.")
    for key in ("maximumPercent", "minimumHealthyPercent"):
        found[key] = int(found[key])
    breaker = {"enable": False, "rollback": False, **(found.get("deploymentCircuitBreaker") or {})}
    _booleans(breaker, "enable", "rollback", "resetOnHealthyTask")
    found["deploymentCircuitBreaker"] = breaker
    if alarms := found.get("alarms"):
        found["alarms"] = _booleans({**alarms}, "enable", "rollback")
    bake = found.get("bakeTimeInMinutes")
    if bake is not None:
        found["bakeTimeInMinutes"] = _minutes("bakeTimeInMinutes", bake)
    elif strategy != "ROLLING":
        found["bakeTimeInMinutes"] = _BAKE[strategy]
    for kind, name, percent, least, wait, default in (
        ("CANARY", "canaryConfiguration", "canaryPercent", 0.1, "canaryBakeTimeInMinutes", (5.0, 10)),
        ("LINEAR", "linearConfiguration", "stepPercent", 3.0, "stepBakeTimeInMinutes", (10.0, 6)),
    ):
        if strategy != kind:
            if found.get(name):
                raise RefusedError(f"{name} is only valid when the deployment strategy is {kind}.")
            continue
        part = {percent: default[0], wait: default[1], **(found.get(name) or {})}
        part[percent] = float(part[percent])
        if not least <= part[percent] <= 100:
            raise RefusedError(f"{percent} must be between {least} and 100.0.")
        part[wait] = _minutes(wait, part[wait])
        found[name] = part
    return found


def _booleans(part: Record, *names: str) -> Record:
    for name in names:
        if name in part:
            part[name] = str(part[name]).lower() == "true"
    return part


def _minutes(name: str, value: Any) -> int:
    found = int(value)
    if not 0 <= found <= 1440:
        raise RefusedError(f"{name} must be between 0 and 1440.")
    return found


def bake_minutes(config: Record) -> float:
    """The bake time that a deployment configuration asks for."""
    return float(config.get("bakeTimeInMinutes") or 0)


def load_balancers(given: list[Record] | None, config: Record) -> list[Record]:
    """A service's load balancers, ports as numbers. Raises RefusedError for what AWS refuses."""
    found = [{**one, "containerPort": int(one["containerPort"])} for one in given or []]
    shifting = config["strategy"] != "ROLLING"
    advanced = [one.get("advancedConfiguration") for one in found]
    if shifting and not (found and all(advanced)):
        raise RefusedError(
            "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING "
            "deployment strategy"
        )
    if any(advanced) and not all(advanced):
        raise RefusedError(
            "Either all or none of the provided loadBalancers must have advancedConfiguration defined"
        )
    groups: list[str] = []
    for one in found:
        own = one.get("advancedConfiguration") or {}
        for name in ("productionListenerRule", "testListenerRule"):
            if own.get(name) and ":listener-rule/" not in own[name]:
                raise RefusedError(
                    f"{name} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: "
                    f"{own[name]}"
                )
        rule = own.get("productionListenerRule")
        if shifting and not rule:
            raise RefusedError(
                "productionListenerRule is required when using a non-ROLLING deployment strategy"
            )
        if rule and rule == own.get("testListenerRule"):
            raise RefusedError(
                f"The following rules cannot be used as both production and test listener rules: {rule}"
            )
        mine = [arn for arn in (one.get("targetGroupArn"), own.get("alternateTargetGroupArn")) if arn]
        for arn in mine:
            if arn in groups:
                raise RefusedError(f"Duplicate targetGroupArn found: {arn}")
            if not balancer.in_use(arn):
                raise RefusedError(
                    f"The target group with targetGroupArn {arn} does not have an associated load balancer."
                )
            groups.append(arn)
    return found


def strategy_problem(given: list[Record] | None) -> None:
    """Refuse a capacity provider strategy as AWS does. Raises RefusedError."""
    if why := capacity.problem(given or []):
        raise RefusedError(why)
