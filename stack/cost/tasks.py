"""What tasks cost: how many there are by the hour, on which capacity, of which size, with which addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stack.cost.context import Context
from stack.cost.prices import Line, NotPriced, Price
from stack.scan.resolve import references

Found = Iterator[Line | NotPriced]
# Hours, and how many tasks there are then.
_Day = list[tuple[float, float]]

_DAILY = re.compile(r"cron\((\d+) (\d+) \* \* \? \*\)")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}
_SPOT = "FARGATE_SPOT"
# GB that a task has without paying for them.
_FREE_STORAGE = 20


def service(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Price the tasks of a service: the fewest idle, what is on average more than that with use."""
    definition = _definition(context, properties)
    if definition is None:
        yield context.not_priced(name, "its task definition is in another stack")
        return
    strategy = capacity(properties)
    if not all(str(one["CapacityProvider"]).startswith("FARGATE") for one in strategy):
        yield context.not_priced(name, "its tasks do not run on Fargate")
        return
    day, unknown = _day(context, name, properties)
    fewest = sum(hours * count for hours, count in day) / 24
    for schedule in unknown:
        yield context.not_priced(name, f"what {schedule} changes: only times of every day are understood")
    public = (
        properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {}).get("AssignPublicIp")
        == "ENABLED"
    )
    yield from _tasks(context, name, definition, spread(fewest, strategy), public, traffic=False)
    if context.usage.tasks > fewest:
        all_of_them = spread(context.usage.tasks, strategy)
        usual = spread(fewest, strategy)
        more = {provider: count - usual.get(provider, 0) for provider, count in all_of_them.items()}
        yield from _tasks(context, name, definition, more, public, traffic=True)
    if context.own_image and context.usage.custom_metrics:
        # Paid by the hour, and only for hours in which a task tells them.
        awake = sum(hours for hours, count in day if count) / 24
        yield context.line(name, "metrics in its log", context.usage.custom_metrics * awake, "custom-metric")
    if int(definition.get("EphemeralStorage", {}).get("SizeInGiB", 0)) > _FREE_STORAGE:
        yield context.not_priced(name, f"ephemeral storage above {_FREE_STORAGE} GB a task")


def scheduled(context: Context, name: str, properties: Mapping[str, Any]) -> Found:
    """Price the tasks that a schedule starts, with their addresses, for the minutes that each runs."""
    every = _RATE.fullmatch(properties.get("ScheduleExpression", ""))
    for target in properties.get("Targets", ()):
        if "EcsParameters" not in target:
            continue
        parameters = target["EcsParameters"]
        family = str(parameters["TaskDefinitionArn"]).rpartition("/")[2].partition(":")[0]
        if every is None or family not in context.families:
            yield context.not_priced(name, f"the tasks of {family} it starts: how often, or of which size")
            continue
        minutes = int(every[1]) * _MINUTES[every[2]]
        count = parameters.get("TaskCount", 1) * context.usage.scheduled_minutes / minutes
        network = parameters.get("NetworkConfiguration", {}).get("AwsVpcConfiguration", {})
        public = network.get("AssignPublicIp") == "ENABLED"
        running = {"FARGATE": count}
        yield from _tasks(context, name, context.families[family], running, public, traffic=False)


def _definition(context: Context, properties: Mapping[str, Any]) -> Mapping[str, Any] | None:
    definitions = context.found.of_type("AWS::ECS::TaskDefinition")
    named = references(properties.get("TaskDefinition")) & set(definitions)
    return definitions[named.pop()] if named else None


def capacity(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The capacity provider strategy of a service; its launch type as one, where it has none."""
    given: list[Mapping[str, Any]] = properties.get("CapacityProviderStrategy", [])
    return given or [{"CapacityProvider": properties.get("LaunchType", "EC2"), "Weight": 1}]


def _day(context: Context, name: str, properties: Mapping[str, Any]) -> tuple[_Day, list[str]]:
    """Return for how many hours there are how many tasks at least, and schedules that are not understood."""
    targets = context.referring("AWS::ApplicationAutoScaling::ScalableTarget", name)
    if not targets:
        return [(24, float(properties.get("DesiredCount", 1)))], []
    (target,) = targets.values()
    changes: list[tuple[float, float]] = []
    unknown: list[str] = []
    for action in target.get("ScheduledActions", ()):
        at = _DAILY.fullmatch(action["Schedule"])
        least = action.get("ScalableTargetAction", {}).get("MinCapacity")
        if not at or "StartTime" in action or "EndTime" in action:
            unknown.append(str(action["Schedule"]))
        elif least is not None:
            changes.append((int(at[2]) + int(at[1]) / 60, float(least)))
    if not changes:
        return [(24, float(target["MinCapacity"]))], unknown
    changes.sort()
    ends = [*(hour for hour, _ in changes[1:]), changes[0][0] + 24]
    return [(end - hour, least) for (hour, least), end in zip(changes, ends, strict=True)], unknown


def spread(count: float, strategy: list[Mapping[str, Any]]) -> dict[str, float]:
    """Spread tasks over capacity providers: bases first, then by weight, as ECS does."""
    found: dict[str, float] = {}
    left = count
    for one in strategy:
        base = min(left, float(one.get("Base", 0)))
        found[str(one["CapacityProvider"])] = base
        left -= base
    weights = {str(one["CapacityProvider"]): float(one.get("Weight", 0)) for one in strategy}
    total = sum(weights.values())
    for provider, weight in weights.items():
        found[provider] += left * weight / total if total else 0
    return found


def _tasks(
    context: Context,
    name: str,
    definition: Mapping[str, Any],
    spread: Mapping[str, float],
    public: bool,
    *,
    traffic: bool,
) -> Found:
    kind = "arm" if definition.get("RuntimePlatform", {}).get("CpuArchitecture") == "ARM64" else "x86"
    vcpu, memory = float(definition["Cpu"]) / 1024, float(definition["Memory"]) / 1024
    more = "more " if traffic else ""
    for provider, count in spread.items():
        if not count:
            continue
        spot = provider == _SPOT
        where = kind + (", Spot" if spot else "")
        tasks = f"{count:.3g} {more}task{'' if count == 1 else 's'}"
        for what, size, price in (
            ("vCPU", vcpu, context.prices[f"fargate-{kind}-vcpu"]),
            ("memory", memory, context.prices[f"fargate-{kind}-memory"]),
        ):
            if spot:
                price = Price(price.usd * context.prices["fargate-spot"].usd, price.unit)
            hours = count * size * context.prices.hours
            yield context.at(name, f"{what} of {tasks} ({where})", hours, price, traffic=traffic)
    together = sum(spread.values())
    if public and together:
        hours = together * context.prices.hours
        yield context.line(name, f"addresses of {more}tasks", hours, "public-ipv4", traffic=traffic)
