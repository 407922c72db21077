"""What the policies of a scalable target do with its service, given the alarms as they are now."""

from __future__ import annotations

from localcloud.scaling import activities, alarms, arithmetic, targets
from localcloud.scaling.arithmetic import Wish
from localcloud.scaling.records import STORE, Record

#: The default of every cooldown of a service of ECS, in seconds.
_COOLDOWN = 300
_ABOVE = {"GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "GreaterThanUpperThreshold"}


def act(key: str) -> None:
    """Do what the target's policies want; needs the target's account and region to be set."""
    target = STORE.targets[key]
    service = targets.service(target)
    if service is None:
        return
    current = int(service["desiredCount"])
    policies = STORE.of_target(STORE.policies, key)
    wishes = [
        wish
        for name, policy in policies.items()
        for alarm in alarms.firing(policy)
        if (wish := _wish(key, name, policy, alarm, current)) is not None
    ]
    asked = {
        name
        for name, policy in policies.items()
        if policy["PolicyType"] == "TargetTrackingScaling" and not _config(policy).get("DisableScaleIn")
    }
    chosen = arithmetic.choose(wishes, asked)
    if chosen is not None:
        _follow(key, target, service, policies[chosen.policy], chosen)


def _config(policy: Record) -> Record:
    found: Record = policy[f"{policy['PolicyType']}PolicyConfiguration"]
    return found


def _wish(key: str, name: str, policy: Record, alarm: Record, current: int) -> Wish | None:
    """What a policy wants because of an alarm.

    While its scale-out cools down, the capacity that it added counts as part of what it wants to add.
    """
    cause = (
        f"monitor alarm {alarm['AlarmName']} in state {alarm['StateValue']} triggered policy "
        f"{policy['PolicyName']}"
    )
    before = activities.scaled_out(key, name)
    base = min(current, before["base"]) if before else current
    config, measured = _config(policy), alarms.values(alarm)
    if policy["PolicyType"] == "TargetTrackingScaling":
        goal = float(config["TargetValue"])
        if alarms.kind(alarm["AlarmName"]) == "AlarmLow":
            capacity = arithmetic.tracked_in(current, max(measured), goal)
            return Wish(name, cause, capacity, tracking=True, scale_in=True)
        capacity = max(current, arithmetic.tracked_out(base, measured[-1], goal))
        return Wish(name, cause, capacity, tracking=True)
    aggregate = {"Minimum": min, "Maximum": max}.get(config.get("MetricAggregationType") or "Average")
    value = aggregate(measured) if aggregate else sum(measured) / len(measured)
    breach, above = value - float(alarm["Threshold"]), alarm["ComparisonOperator"] in _ABOVE
    if alarm["StateValue"] == "ALARM":
        # SetAlarmState, and datapoints of which only some breach, can leave the value on the other side.
        breach = max(breach, 0.0) if above else min(breach, 0.0)
    adjustment = arithmetic.step_adjustment(config["StepAdjustments"], breach, above)
    if adjustment is None:
        return None
    how = str(config["AdjustmentType"]), adjustment, int(config.get("MinAdjustmentMagnitude") or 0)
    capacity = arithmetic.adjusted(current, *how)
    if capacity > current:
        capacity = max(current, arithmetic.adjusted(base, *how))
    return Wish(name, cause, capacity, scale_in=capacity < current)


def _follow(key: str, target: Record, service: Record, policy: Record, wish: Wish) -> None:
    """Bring the service to the capacity that a policy wants, as far as the target lets it."""
    current, least, most = int(service["desiredCount"]), target["MinCapacity"], target["MaxCapacity"]
    suspended = target["SuspendedState"]
    count = min(max(wish.capacity, least), most)
    if count == current:
        if wish.capacity > most:
            activities.not_scaled(key, wish.cause, "AlreadyAtMaxCapacity", most)
        elif wish.capacity < least:
            activities.not_scaled(key, wish.cause, "AlreadyAtMinCapacity", least)
        elif activities.scaled_out(key, wish.policy) is None:
            activities.not_scaled(key, wish.cause, "AlreadyAtDesiredCapacity", current)
        return
    out = count > current
    if out:
        held = suspended["DynamicScalingOutSuspended"]
    else:
        held = (
            suspended["DynamicScalingInSuspended"] or targets.deploying(service) or activities.scaled_in(key)
        )
    if held:
        return
    # In one cooldown after another, all that was added counts.
    before = activities.scaled_out(key, wish.policy) if out else None
    change = activities.change(
        wish.policy, before["base"] if before else current, count, _cooldown(policy, out)
    )
    targets.set_desired(key, target, count, wish.cause, change)


def _cooldown(policy: Record, out: bool) -> int:
    name = "Cooldown"
    if policy["PolicyType"] == "TargetTrackingScaling":
        name = "ScaleOutCooldown" if out else "ScaleInCooldown"
    given = _config(policy).get(name)
    return _COOLDOWN if given is None else int(given)
