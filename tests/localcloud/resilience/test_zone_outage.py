"""A zone that fails under load, and comes back."""

from __future__ import annotations

import json
import time

from tests.e2e.checkout import ROOT
from tests.localcloud.resilience.service import ZONES, Service, until


def _outage(service: Service, zone: str, seconds: float) -> str:
    endpoint = f"http://127.0.0.1:{service.checkout.gateway_port}"
    return service.checkout.succeed(
        f"{ROOT}/.venv/bin/python -m localcloud zone-outage {zone} --seconds {seconds} --endpoint {endpoint}"
    )


def test_the_service_goes_on_in_the_other_zones_and_is_spread_anew(service: Service) -> None:
    assert service.zones() == sorted(ZONES)
    gone, *others = ZONES
    (task,) = [t for t in service.tasks() if t["availabilityZone"] == gone]
    with service.traffic() as traffic:
        until(lambda: traffic.answers["ok"] > 20)
        killed = time.monotonic()
        assert task["taskArn"].rpartition("/")[2] in _outage(service, gone, 3600)
        until(lambda: service.address(task) not in service.targets())
        taken_out = time.monotonic()
        service.settled()
        # The zone is out: the task's place is taken in one of the others.
        assert set(service.zones()) == set(others)
        assert [c["exitCode"] for c in service.task(task["taskArn"])["containers"]] == [137]
        endpoint = f"http://127.0.0.1:{service.checkout.gateway_port}"
        told = service.checkout.succeed(
            f"{ROOT}/.venv/bin/python -m localcloud status --json --endpoint {endpoint}"
        )
        assert [row["zone"] for row in json.loads(told)["zone_outages"]] == [gone]
        assert "is back" in _outage(service, gone, 0)
        until(lambda: service.zones() == sorted(ZONES), told=service.events)
        service.settled()
    lost = [(began, ended, answer) for began, ended, answer in traffic.seen if answer != "ok"]
    assert {answer[:3] for _, _, answer in lost} <= {"502"}
    assert all(began < taken_out and ended > killed for began, ended, _ in lost)
    events = service.events()
    assert "is not AZ balanced with 0 tasks in us-east-1a, " in events
    assert "has started 1 tasks in us-east-1a to AZ Rebalance: " in events
    assert "due to AZ rebalancing: " in events
    assert (
        "is AZ balanced with 1 tasks in us-east-1a, 1 tasks in us-east-1b, and 1 tasks in us-east-1c."
        in events
    )


def test_with_every_zone_out_nothing_starts_until_one_is_back(service: Service) -> None:
    for zone in ZONES:
        _outage(service, zone, 3600)
    try:
        until(lambda: "Capacity is unavailable at this time." in service.events(), told=service.events)
        assert service.tasks() == []
        definition = service.described()["taskDefinition"]
        network = service.described()["networkConfiguration"]
        refused = service.ecs.run_task(
            cluster=service.cluster, taskDefinition=definition, networkConfiguration=network, count=1
        )
        assert refused["tasks"] == []
        assert "Capacity is unavailable" in refused["failures"][0]["reason"]
    finally:
        for zone in ZONES:
            _outage(service, zone, 0)
    until(lambda: service.zones() == sorted(ZONES), told=service.events)


def test_a_zone_that_is_not_there_is_refused_by_name(service: Service) -> None:
    endpoint = f"http://127.0.0.1:{service.checkout.gateway_port}"
    said = service.checkout.fail(
        f"{ROOT}/.venv/bin/python -m localcloud zone-outage us-east-9x --endpoint {endpoint}"
    )
    assert "No subnet is in zone us-east-9x. There are: us-east-1a, us-east-1b, us-east-1c." in said
