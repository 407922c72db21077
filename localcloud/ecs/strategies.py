"""How traffic moves from one deployment to the next: rolling, blue/green, canary and linear.

A rolling deployment registers its tasks where the others are. Every other strategy starts them in the other
one of two target groups and then moves the weights of the production listener rule, in one step or several.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from localcloud import speed
from localcloud.balancer import weights
from localcloud.ecs.configuration import bake_minutes
from localcloud.ecs.deployments import enter, groups, revision, source
from localcloud.ecs.records import Record


class NetworkingError(ValueError):
    """Listener rules and target groups do not fit; the message is AWS's."""


def shifts(deployment: Record) -> bool:
    """Whether the deployment moves traffic between target groups. Going back never waits for that."""
    strategy = (deployment.get("_config") or {}).get("strategy", "ROLLING")
    return strategy != "ROLLING" and "_rollback_of" not in deployment


def kept_source(service: Record, wanted: Record) -> Record | None:
    """The deployment whose tasks all stay while traffic moves away from them, None when none does."""
    return source(service, wanted) if shifts(wanted) and wanted["_stage"] != "CLEAN_UP" else None


def plan(config: Record) -> list[tuple[float, float]]:
    """The steps of the production rule: percent for the new tasks, and minutes until the next step."""
    strategy = config["strategy"]
    steps: list[tuple[float, float]] = []
    if strategy == "CANARY":
        canary = config["canaryConfiguration"]
        steps = [(canary["canaryPercent"], canary["canaryBakeTimeInMinutes"])]
    elif strategy == "LINEAR":
        linear = config["linearConfiguration"]
        count = math.ceil(100 / linear["stepPercent"])
        steps = [
            (round(linear["stepPercent"] * n, 1), linear["stepBakeTimeInMinutes"]) for n in range(1, count)
        ]
    return [*(step for step in steps if step[0] < 100), (100.0, 0.0)]


def waiting_minutes(config: Record) -> float:
    """How long a deployment waits besides what its tasks take."""
    steps = plan(config) if config["strategy"] != "ROLLING" else []
    return bake_minutes(config) + sum(minutes for _, minutes in steps)


def prepare(service: Record, wanted: Record) -> None:
    """Choose where the deployment's tasks register. Raises NetworkingError when it cannot be done."""
    try:
        for other in service["deployments"]:
            if other is not wanted and other["rolloutState"] != "COMPLETED":
                # It is overtaken, and may have got its share already.
                put_back(other)
        chosen = [_choose(service, wanted, *pair) for pair in _pairs(wanted)]
    except weights.NoForwardError as exc:
        raise NetworkingError(str(exc)) from exc
    moves = source(service, wanted) is not None and shifts(wanted)
    wanted["_groups"] = [group for group, _ in chosen]
    wanted["_steps"] = plan(wanted["_config"]) if moves else [(100.0, 0.0)]
    if shifts(wanted):
        wanted["_from"] = [serving for _, serving in chosen]
    enter(service, wanted, "SCALE_UP")


def _choose(service: Record, wanted: Record, balancer: Record, production: str, test: str) -> tuple[str, str]:
    """The target group of the deployment's tasks behind one balancer, and the group that serves now."""
    mine = [balancer["targetGroupArn"], *_alternate(balancer)]
    now = weights.of_rule(production) if production else {}
    if not shifts(wanted):
        # A balancer that is set up for shifting keeps the group that serves.
        serving = max(mine, key=lambda arn: now.get(arn, 0))
        return serving, serving
    (serving,) = _check(production, mine, now, weights.of_rule(test) if test else {})
    if source(service, wanted) is None:
        return serving, serving
    return mine[1 - mine.index(serving)], serving


def _check(rule: str, mine: list[str], now: dict[str, int], tested: dict[str, int]) -> list[str]:
    """The one group that the production rule sends requests to. Raises NetworkingError."""
    serving = [arn for arn, weight in now.items() if weight]
    if missing := [arn for arn in mine if arn not in {*now, *tested}]:
        raise NetworkingError(
            f"Target group {missing[0]} is not associated with either productionListenerRule or "
            "testListenerRule."
        )
    if len(serving) != 1:
        raise NetworkingError(
            f"productionListenerRule {rule} should have exactly one target group serving traffic but found "
            f"{len(serving)} target groups which are serving traffic"
        )
    if serving[0] not in mine:
        raise NetworkingError(
            f"Production listener rule is forwarding traffic to unexpected target group {serving[0]}. "
            f"Expected traffic to be forwarded to either targetGroupArn: {mine[0]} or "
            f"alternateTargetGroupArn: {mine[1]}"
        )
    return serving


def _alternate(balancer: Record) -> list[str]:
    found = (balancer.get("advancedConfiguration") or {}).get("alternateTargetGroupArn")
    return [str(found)] if found else []


def _pairs(deployment: Record) -> Iterator[tuple[Record, str, str]]:
    """Each load balancer with its production and test rule, "" for none."""
    for balancer in revision(deployment).get("loadBalancers") or []:
        if balancer.get("targetGroupArn"):
            own = balancer.get("advancedConfiguration") or {}
            yield balancer, own.get("productionListenerRule") or "", own.get("testListenerRule") or ""


def point(deployment: Record, percent: float = 100.0, test: bool = False) -> None:
    """Send `percent` of the production traffic (with `test`: the test traffic) to the deployment's tasks."""
    for (balancer, production, tested), mine in zip(_pairs(deployment), groups(deployment), strict=True):
        rule = tested if test else production
        both = [balancer["targetGroupArn"], *_alternate(balancer)]
        if not rule or len(both) < 2:
            continue
        # Weights are whole numbers up to 999, percentages have one decimal.
        scale = 1 if float(percent).is_integer() else 10
        share = min(round(percent * scale), 999)
        weights.set_of_rule(rule, {arn: share if arn == mine else 100 * scale - share for arn in both})


def put_back(deployment: Record) -> None:
    """Send all traffic where it went before the deployment began. Raises NoForwardError."""
    for (balancer, production, test), before in zip(
        _pairs(deployment), deployment.get("_from", []), strict=False
    ):
        both = [balancer["targetGroupArn"], *_alternate(balancer)]
        for rule in filter(None, (production, test)):
            weights.set_of_rule(rule, {arn: 100 if arn == before else 0 for arn in both})


def advance(service: Record, wanted: Record, ready: bool, alone: bool) -> None:
    """Take a deployment as far as it can go now.

    `ready`: all of its tasks are healthy; `alone`: no others are left. What waits, waits until it is ready.
    """
    while ready and (following := _next(wanted, alone)):
        enter(service, wanted, following)


def _next(wanted: Record, alone: bool) -> str:
    """Do what the present stage still asks for; the next stage, "" while it is not over."""
    stage: str = wanted["_stage"]
    steps: list[tuple[float, float]] = wanted["_steps"]
    passed = time.time() - wanted["_since"]
    if stage == "SCALE_UP":
        if not shifts(wanted):
            return "BAKE_TIME" if alone else ""
        point(wanted, test=True)
        return "TEST_TRAFFIC_SHIFT"
    if stage == "TEST_TRAFFIC_SHIFT":
        wanted["_step"] = 0
        point(wanted, steps[0][0])
        return "PRODUCTION_TRAFFIC_SHIFT"
    if stage == "PRODUCTION_TRAFFIC_SHIFT":
        if passed < speed.minutes(steps[wanted["_step"]][1]):
            return ""
        if wanted["_step"] + 1 == len(steps):
            return "BAKE_TIME"
        wanted["_step"] += 1
        point(wanted, steps[wanted["_step"]][0])
        return stage
    if stage == "BAKE_TIME":
        # Nothing was replaced by a first deployment, or by one that goes back: there is nothing to compare.
        bakes = wanted.get("_source") and "_rollback_of" not in wanted
        return "" if bakes and passed < speed.minutes(bake_minutes(wanted["_config"])) else "CLEAN_UP"
    return ""
