"""Zones: which of them are out, and tasks that move when they are spread unevenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from localcloud import emulator, outages
from localcloud.ecs import announce
from localcloud.ecs.records import Record, event, subnets, zone_of
from localcloud.ecs.serving import healthy

#: What Fargate says where it cannot place a task.
NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)


def known() -> list[str]:
    """Every zone in which there is a subnet."""
    found = emulator.module("services.ec2")._subnets.all_values()
    return sorted({str(subnet["AvailabilityZone"]) for subnet in found})


def usable(places: Iterable[str]) -> list[str]:
    """Those of the subnets in which tasks can be started."""
    return [place for place in places if not outages.zone_is_out(zone_of(place))]


class Rebalancing:
    """AvailabilityZoneRebalancing of services at rest.

    One task more where there are fewest, then one fewer where there are most, until no zone has two more than
    another. `stop` stops a task, and says so in an event of its text.
    """

    def __init__(self, stop: Callable[[Record, str], None]) -> None:
        self._stop = stop

    def step(
        self, service: Record, wanted: Record, live: list[Record], start: Callable[[list[str]], Record]
    ) -> bool:
        """Do the next thing, if there is one; whether the number of tasks is minded here for now.

        `start` starts a task in one of some subnets.
        """
        moving = service.get("_moving")
        task = next((t for t in live if t["taskArn"] == moving), None)
        desired = int(service["desiredCount"])
        if not _may(service, wanted) or (moving and (task is None or len(live) != desired + 1)):
            service.pop("_moving", None)
            return False
        places: dict[str, list[str]] = {}
        for place in usable(subnets(wanted["_revision"].get("networkConfiguration"))):
            places.setdefault(zone_of(place), []).append(place)
        count = Counter(dict.fromkeys(places, 0))
        count.update(t["availabilityZone"] for t in live if t["availabilityZone"] in places)
        if task is not None:
            if healthy(service, task):
                del service["_moving"]
                self._leave(live, count)
            return True
        if len(live) != desired or not all(healthy(service, t) for t in live) or not places:
            return False
        fewest, most = min(count, key=lambda zone: count[zone]), max(count.values())
        if most - count[fewest] < 2:
            if service.pop("_unbalanced", False):
                event(service, f"is AZ balanced with {_told(count)}.")
                announce.action(service, "SERVICE_REBALANCING_COMPLETED")
            return False
        if not service.get("_unbalanced"):
            service["_unbalanced"] = True
            event(service, f"is not AZ balanced with {_told(count)}. AZ Rebalancing in progress.")
            announce.action(service, "SERVICE_REBALANCING_STARTED")
        task = start(places[fewest])
        service["_moving"] = task["taskArn"]
        event(service, f"has started 1 tasks in {fewest} to AZ Rebalance: {_id(task)}.")
        return True

    def _leave(self, live: list[Record], count: Counter[str]) -> None:
        fullest = max(count, key=lambda zone: count[zone])
        oldest = min((t for t in live if t["availabilityZone"] == fullest), key=lambda t: t["_order"])
        self._stop(oldest, f"has stopped 1 running tasks in {fullest} due to AZ rebalancing: {_id(oldest)}.")


def _may(service: Record, wanted: Record) -> bool:
    most = int((service.get("deploymentConfiguration") or {}).get("maximumPercent", 200))
    return (
        service.get("availabilityZoneRebalancing") == "ENABLED"
        and most > 100
        and [d["id"] for d in service["deployments"]] == [wanted["id"]]
        and wanted["rolloutState"] == "COMPLETED"
    )


def _told(count: Counter[str]) -> str:
    parts = [f"{number} tasks in {zone}" for zone, number in sorted(count.items())]
    return ", ".join(parts[:-1]) + f", and {parts[-1]}" if len(parts) > 1 else parts[0]


def _id(task: Record) -> str:
    return str(task["taskArn"].rsplit("/", 1)[1])
