"""What runs in the local cloud, in every region: listeners, services, tasks, target groups, alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localcloud import balancer, emulator, outages, regions
from localcloud.balancer import records

Row = dict[str, Any]


def taken() -> Row:
    """Everything by kind, ready for JSON; each row names its region. On the event loop's thread only.

    `alarms` has the names by state; the other kinds are lists.
    """
    return {
        "listeners": _listeners(),
        "services": _services(),
        "tasks": _tasks(),
        "target_groups": _target_groups(),
        "alarms": _alarms(),
        "zone_outages": [{"zone": zone, "seconds": left} for zone, left in outages.ZONES.all().items()],
        "region_outages": [{"region": name, "seconds": left} for name, left in outages.REGIONS.all().items()],
        "dynamodb_outage": outages.SERVICES.left(outages.DYNAMODB),
    }


def _name(arn: str) -> str:
    """The name in an ARN of ELBv2: `.../app/<name>/<id>` or `...:targetgroup/<name>/<id>`."""
    return arn.split("/")[-2]


def _listeners() -> list[Row]:
    return [
        {
            "region": region,
            "load_balancer": _name(record["LoadBalancerArn"]),
            "protocol": record.get("Protocol", "HTTP"),
            "address": regions.address(region),
            "port": int(record["Port"]),
            "web_acl": (records.guard(arn) or {}).get("Name"),
        }
        for (_, region, arn), record in records.alb()._listeners.all_items()
    ]


def _services() -> list[Row]:
    found = []
    for (_, region, _key), record in emulator.module("services.ecs")._services.all_items():
        if record["status"] == "INACTIVE":
            continue
        primary: Row = next((d for d in record["deployments"] if d["status"] == "PRIMARY"), {})
        found.append(
            {
                "region": region,
                "cluster": record["clusterArn"].rpartition("/")[2],
                "service": record["serviceName"],
                "desired": record["desiredCount"],
                "running": record["runningCount"],
                "pending": record["pendingCount"],
                "rollout": primary.get("rolloutState"),
            }
        )
    return found


def _tasks() -> list[Row]:
    """Tasks that have not stopped, with the health of each target group they are in."""
    found = []
    for (_, region, _key), record in emulator.module("services.ecs")._tasks.all_items():
        if record["lastStatus"] == "STOPPED":
            continue
        targets = record.get("_targets") or []
        found.append(
            {
                "region": region,
                "task": record["taskArn"].rpartition("/")[2],
                "group": record["group"],
                "zone": record["availabilityZone"],
                "status": record["lastStatus"],
                "health": record["healthStatus"],
                "targets": [
                    {"address": f"{host}:{port}", "target_group": _name(arn),
                     "state": balancer.current().health(arn, host, port)[0]}
                    for arn, host, port in targets
                ],
            }
        )  # fmt: skip
    return found


def _target_groups() -> list[Row]:
    found = []
    for (_, region, arn), record in records.alb()._tgs.all_items():
        group = balancer.current().group(arn)
        states = [target.state for target in group.targets.values()] if group else []
        found.append(
            {
                "region": region,
                "target_group": record["TargetGroupName"],
                "protocol": record.get("Protocol"),
                "receives": records.in_use(arn),
                "targets": {state: states.count(state) for state in sorted(set(states))},
            }
        )
    return found


def _alarms() -> dict[str, list[Row]]:
    module = emulator.module("services.cloudwatch")
    found: dict[str, list[Row]] = {"ALARM": [], "INSUFFICIENT_DATA": [], "OK": []}
    for store in (module._alarms, module._composite_alarms):
        for (_, region, name), record in store.all_items():
            row = {"region": region, "alarm": name, "reason": record.get("StateReason", "")}
            found.setdefault(record["StateValue"], []).append(row)
    return found


def lines(found: Row) -> list[str]:
    """The inventory for people: aligned columns under a heading per kind that there is any of."""
    out = [
        *_table(
            ("Listener", "Protocol", "Load balancer", "Web ACL"),
            [(f"{r['address']}:{r['port']}", r["protocol"], r["load_balancer"], r["web_acl"] or "none")
             for r in found["listeners"]],
        ),
        *_table(
            ("Service", "Cluster", "Tasks", "Deployment"),
            [(r["service"], r["cluster"], f"{r['running']} of {r['desired']} run, {r['pending']} start",
              r["rollout"] or "")
             for r in found["services"]],
        ),
        *_table(
            ("Task", "Of", "Zone", "Status", "Health", "Address and target health"),
            [(r["task"], r["group"], r["zone"], r["status"], r["health"],
              ", ".join(f"{t['address']} {t['state']}" for t in r["targets"]))
             for r in found["tasks"]],
        ),
        *_table(
            ("Target group", "Protocol", "Receives traffic", "Targets"),
            [(r["target_group"], r["protocol"], "yes" if r["receives"] else "no",
              ", ".join(f"{count} {state}" for state, count in r["targets"].items()) or "none")
             for r in found["target_groups"]],
        ),
    ]  # fmt: skip
    out_for = [
        *((row["region"], row["seconds"]) for row in found["region_outages"]),
        *((row["zone"], row["seconds"]) for row in found["zone_outages"]),
        *([("DynamoDB", found["dynamodb_outage"])] if found["dynamodb_outage"] else []),
    ]
    out += _table(("What is out", "For"), [(name, f"{seconds:.0f} s more") for name, seconds in out_for])
    alarms = [(row["alarm"], state) for state, rows in found["alarms"].items() for row in rows]
    return [*out, *_table(("Alarm", "State"), alarms)]


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(str(row[column])) for row in (heading, *rows)) for column in range(len(heading))]
    return ["", *("  ".join(map(str.ljust, map(str, row), widths)).rstrip() for row in (heading, *rows))]
