"""Tasks that leave in an orderly way, under load: no request is lost, and a WebSocket ends as it should."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.localcloud.resilience.service import Service, until


def _canary(service: Service) -> None:
    canary = {"canaryPercent": 20.0, "canaryBakeTimeInMinutes": 1}
    config = {"strategy": "CANARY", "bakeTimeInMinutes": 1, "canaryConfiguration": canary}
    service.update(forceNewDeployment=True, deploymentConfiguration=config)
    service.settled()


def _scale_in(service: Service) -> None:
    for count in (1, 3):
        service.update(desiredCount=count)
        service.settled(count)


def _stop_task(service: Service) -> None:
    first = service.tasks()[0]
    service.ecs.stop_task(cluster=service.cluster, task=first["taskArn"], reason="a test says so")
    until(lambda: service.task(first["taskArn"])["lastStatus"] == "STOPPED")
    stopped = service.task(first["taskArn"])
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "a test says so")
    assert [container["exitCode"] for container in stopped["containers"]] == [0]
    service.settled()


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(_canary, id="canary"),
        pytest.param(_scale_in, id="scale-in"),
        pytest.param(_stop_task, id="StopTask"),
    ],
)
def test_no_request_is_lost(service: Service, leave: Callable[[Service], None]) -> None:
    before = {task["taskArn"] for task in service.tasks()}
    config = service.described()["deploymentConfiguration"]
    with service.traffic() as traffic:
        leave(service)
    assert traffic.lost == {}
    assert traffic.answers["ok"] > 10
    assert {task["taskArn"] for task in service.tasks()} != before
    service.update(deploymentConfiguration=config)


def _close_code(socket: ClientConnection) -> int | None:
    """With what the other side has closed it, None when it still answers."""
    try:
        socket.send("still there?")
        assert socket.recv(timeout=30) == "still there?"
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0
    return None


def test_a_websocket_on_a_task_that_leaves_works_until_the_task_is_told_to_stop(service: Service) -> None:
    (first, *_) = service.tasks()
    url, headers = f"{service.url.replace('http', 'ws')}/ws", {"Authorization": f"Bearer {service.token}"}
    with service.traffic() as traffic, ExitStack() as opened:
        sockets = [
            opened.enter_context(connect(url, additional_headers=headers, compression=None)) for _ in range(6)
        ]
        service.drain_for(15)  # enough for all that is asked meanwhile, also on a busy machine
        service.ecs.stop_task(cluster=service.cluster, task=first["taskArn"])
        until(lambda: service.targets()[service.address(first)] == "draining")
        assert [_close_code(socket) for socket in sockets] == [None] * 6
        service.drain_for(2)  # as the environment file has it; holds for the next one
        until(lambda: service.task(first["taskArn"])["lastStatus"] == "STOPPED")
        codes = [_close_code(socket) for socket in sockets]
        # Only those that went to this task are closed: it is going away.
        assert set(codes) == {None, 1001}
        service.settled()
    assert traffic.lost == {}
