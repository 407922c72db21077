"""Lets a zone, a region or DynamoDB fail for a while, and what is in it with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from localcloud import balancer, ecs, emulator, outages, regions, tables
from localcloud.ecs.records import Record


async def handle(body: bytes) -> tuple[int, dict[str, Any]]:
    """Do what a POST to OUTAGE_PATH asks for; its status and answer."""
    try:
        asked = json.loads(body)
        seconds, tasks = float(asked["seconds"]), []
        if name := asked.get("zone"):
            tasks = await zone(str(name), seconds)
        elif name := asked.get("region"):
            tasks = await region(str(name), seconds)
        else:
            outages.SERVICES.begin(outages.DYNAMODB, seconds)
    except (ValueError, KeyError, TypeError) as exc:
        return 400, {"message": str(exc)}
    return 200, {"tasks": tasks}


async def zone(name: str, seconds: float) -> list[str]:
    """Let a zone fail: its tasks are killed, whose ARNs these are, and none starts there for so long.

    Raises ValueError for a zone without a subnet.
    """
    if name not in (known := ecs.known_zones()):
        raise ValueError(f"No subnet is in zone {name}. There are: {_listed(known)}.")
    outages.ZONES.begin(name, seconds)
    _look_again(seconds)
    return await _killed(lambda task: task["availabilityZone"] == name, f"Zone {name} is out.", seconds)


async def region(name: str, seconds: float) -> list[str]:
    """Let a region fail: its tasks are killed, whose ARNs these are, and none starts there for so long.

    Its load balancers refuse connections, its API answers 503, and its replicas of tables neither hear nor
    are heard. Raises ValueError for a region in which there is nothing.
    """
    if name not in (known := _regions()):
        raise ValueError(f"Nothing is in region {name}. There is something in: {_listed(known)}.")
    outages.REGIONS.begin(name, seconds)
    _look_again(seconds)
    return await _killed(
        lambda task: regions.of_arn(task["taskArn"]) == name, f"Region {name} is out.", seconds
    )


async def _killed(hit: Callable[[Record], bool], reason: str, seconds: float) -> list[str]:
    return await ecs.kill(hit, reason) if seconds else []


def _look_again(seconds: float) -> None:
    """Have what follows outages look now, and when this one is over."""

    def look() -> None:
        balancer.current().wake()
        ecs.kick()
        tables.REPLICATION.wake()

    look()
    asyncio.get_running_loop().call_later(seconds, look)


def _regions() -> list[str]:
    """Every region with a subnet, a table or a load balancer."""
    stores = (
        emulator.module("services.ec2")._subnets,
        emulator.module("services.dynamodb")._tables,
        emulator.module("services.alb")._lbs,
    )
    return sorted({str(key[1]) for store in stores for key, _ in store.all_items()})


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none at all"
