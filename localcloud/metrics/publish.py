"""What load balancers, target groups and web ACLs publish each minute, under AWS's names and dimensions."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from localcloud import balancer, emulator
from localcloud.balancer import records
from localcloud.metrics.counters import Connections, Counts, Traffic
from localcloud.metrics.distribution import Distribution
from localcloud.metrics.store import STORE, Dimensions

_ELB, _WAF = "AWS/ApplicationELB", "AWS/WAFV2"
_WAF_METRICS = {"Allow": "AllowedRequests", "Block": "BlockedRequests", "Count": "CountedRequests"}


def counted(counts: Counts, at: float) -> None:
    """Publish what was counted in the minute that began at `at` (seconds since 1970).

    As on AWS a count of nothing is not published, except the requests per target of a group in use.
    """
    zones = _zones()
    per_group: Counter[tuple[str, str]] = Counter()
    for (load_balancer, group, target), traffic in counts.traffic.items():
        with _scope(load_balancer):
            _traffic(load_balancer, group, zones.get(target or ""), traffic, at)
        if group:
            per_group[load_balancer, group] += traffic.requests
    for load_balancer, connections in counts.connections.items():
        with _scope(load_balancer):
            _connections(load_balancer, connections, at)
    for load_balancer, group in in_use():
        with _scope(load_balancer):
            share = per_group[load_balancer, group] / max(1, _states(group)["healthy"])
            of_group = {"TargetGroup": full_name(group)}
            for dimensions in (of_group, {"LoadBalancer": full_name(load_balancer), **of_group}):
                STORE.metric(_ELB, "RequestCountPerTarget", dimensions).at(at).add(share)
    _web_acls(counts.web_acls, at)


def health(at: float) -> None:
    """Publish how many targets of each group are healthy now, in the minute that began at `at`."""
    zones = _zones()
    for load_balancer, group in in_use():
        running = balancer.current().group(group)
        targets = [t for t in running.targets.values() if t.state != "draining"] if running else []
        if not targets:
            continue
        base = {"LoadBalancer": full_name(load_balancer), "TargetGroup": full_name(group)}
        by_zone: dict[str, Counter[str]] = defaultdict(Counter)
        for target in targets:
            by_zone[""][target.state] += 1
            if zone := zones.get(target.id):
                by_zone[zone][target.state] += 1
        with _scope(load_balancer):
            for zone, states in by_zone.items():
                dimensions = {**base, **({"AvailabilityZone": zone} if zone else {})}
                for name, state in (("HealthyHostCount", "healthy"), ("UnHealthyHostCount", "unhealthy")):
                    STORE.metric(_ELB, name, dimensions, "Count").at(at).add(states[state])


def _traffic(load_balancer: str, group: str | None, zone: str | None, traffic: Traffic, at: float) -> None:
    of_balancer = [{"LoadBalancer": full_name(load_balancer)}]
    if zone:
        of_balancer.append({**of_balancer[0], "AvailabilityZone": zone})
    of_group = [{**each, "TargetGroup": full_name(group)} for each in of_balancer] if group else []
    _count("RequestCount", [*of_balancer, *of_group], traffic.requests, at)
    _count("TargetConnectionErrorCount", [*of_balancer, *of_group], traffic.connection_errors, at)
    for (status, from_target), count in traffic.answers.items():
        kind = f"{status // 100}XX"
        if from_target:
            _count(f"HTTPCode_Target_{kind}_Count", [*of_balancer, *of_group], count, at)
            continue
        _count(f"HTTPCode_ELB_{kind}_Count", of_balancer, count, at)
        if status in (500, 502, 503, 504):
            _count(f"HTTPCode_ELB_{status}_Count", of_balancer, count, at)
    _absorb("TargetResponseTime", "Seconds", [*of_balancer, *of_group], traffic.times, at)


def _connections(load_balancer: str, connections: Connections, at: float) -> None:
    dimensions = [{"LoadBalancer": full_name(load_balancer)}]
    _count("NewConnectionCount", dimensions, connections.new, at)
    _count("ActiveConnectionCount", dimensions, connections.active, at)
    _count("RejectedConnectionCount", dimensions, connections.rejected, at)
    if connections.bytes:
        STORE.metric(_ELB, "ProcessedBytes", dimensions[0], "Bytes").at(at).add(connections.bytes)


def _count(name: str, all_dimensions: list[Dimensions], count: int, at: float) -> None:
    if count:
        for dimensions in all_dimensions:
            STORE.metric(_ELB, name, dimensions, "Count").at(at).add(1.0, count)


def _absorb(name: str, unit: str, all_dimensions: list[Dimensions], values: Distribution, at: float) -> None:
    if values.count:
        for dimensions in all_dimensions:
            STORE.metric(_ELB, name, dimensions, unit).at(at).absorb(values)


def _web_acls(counts: dict[tuple[str, str, str], int], at: float) -> None:
    known = {acl["ARN"]: acl for acl in emulator.module("services.waf")._web_acls.all_values()}
    for (arn, rule, action), count in counts.items():
        if arn not in known:
            continue
        with _scope(arn):
            region = emulator.module("core.responses").get_region()
            acl = known[arn]["VisibilityConfig"]["MetricName"]
            for each in (rule, "ALL"):
                dimensions = {"WebACL": acl, "Region": region, "Rule": each}
                STORE.metric(_WAF, _WAF_METRICS[action], dimensions, "Count").at(at).add(1.0, count)


def in_use() -> set[tuple[str, str]]:
    """Load balancers and the target groups that they forward to, by their ARNs."""
    alb = records.alb()
    listeners = {record["ListenerArn"]: record["LoadBalancerArn"] for record in alb._listeners.all_values()}
    return {
        (listeners[rule["ListenerArn"]], group)
        for rule in alb._rules.all_values()
        if rule["ListenerArn"] in listeners
        for action in rule.get("Actions", [])
        for group in records.target_groups(action)
        if records.group(group)
    }


def full_name(arn: str) -> str:
    """What a balancer or target group is called in its metrics' dimensions."""
    return arn.rpartition(":")[2].removeprefix("loadbalancer/")


def _states(group: str) -> Counter[str]:
    running = balancer.current().group(group)
    return Counter(target.state for target in running.targets.values()) if running else Counter()


def _zones() -> dict[str, str]:
    """Availability zones by the addresses of tasks."""
    tasks = emulator.module("services.ecs")._tasks.all_values()
    return {t["_container_ip"]: t["availabilityZone"] for t in tasks if t.get("_container_ip")}


def _scope(arn: str) -> Any:
    _, _, _, region, account, *_ = arn.split(":")
    return emulator.module("core.responses").request_scope(account, region)
