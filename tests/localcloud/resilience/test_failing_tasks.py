"""Tasks that fail under load: killed, or hung. What AWS would lose is lost, and nothing after it."""

from __future__ import annotations

import signal
import time
from typing import Any

from tests.localcloud.resilience.service import Service, until


def _others(service: Service, task: dict[str, Any]) -> list[str]:
    """ARNs of the tasks that run, without this one."""
    running = [t["taskArn"] for t in service.tasks() if t["lastStatus"] == "RUNNING"]
    return [arn for arn in running if arn != task["taskArn"]]


def test_a_killed_task_costs_what_it_was_doing_and_is_replaced(service: Service) -> None:
    (first, *_) = service.tasks()
    with service.traffic() as traffic:
        until(lambda: traffic.answers["ok"] > 20)
        killed = time.monotonic()
        service.signal(first, signal.SIGKILL)
        until(lambda: service.address(first) not in service.targets())
        taken_out = time.monotonic()
        until(lambda: len(_others(service, first)) == 3, told=service.events)
        service.settled()
    # Requests in flight on it are lost with a 502; none that came after it was taken out.
    lost = [(began, ended, answer) for began, ended, answer in traffic.seen if answer != "ok"]
    assert {answer[:3] for _, _, answer in lost} <= {"502"}
    assert all(began < taken_out and ended > killed for began, ended, _ in lost)
    # Three clients have three requests in flight at most.
    assert len(lost) <= 3
    stopped = service.task(first["taskArn"])
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert [container["exitCode"] for container in stopped["containers"]] == [137]


def test_a_hung_task_is_taken_out_and_replaced(service: Service) -> None:
    (first, *_) = service.tasks()
    with service.attribute("idle_timeout.timeout_seconds", "3"), service.traffic() as traffic:
        until(lambda: traffic.answers["ok"] > 20)
        service.signal(first, signal.SIGSTOP)
        # Its health checks time out, one after the other; what it was sent meanwhile is answered with 504.
        until(lambda: service.targets().get(service.address(first), "gone") != "healthy")
        taken_out = time.monotonic()
        until(lambda: len(_others(service, first)) == 3, told=service.events)
        service.settled()
    lost = [(began, answer) for began, _, answer in traffic.seen if answer != "ok"]
    assert {answer[:3] for _, answer in lost} == {"504"}
    assert all(began < taken_out for began, _ in lost)
    leaving = service.task(first["taskArn"])
    assert (leaving["desiredStatus"], leaving["lastStatus"]) == ("STOPPED", "STOPPING")
    assert leaving["stoppedReason"].startswith(("Task failed ELB health checks", "Task failed container"))
    # It has not heard of that yet, and would be killed after its StopTimeout.
    service.signal(first, signal.SIGCONT)
    until(lambda: service.task(first["taskArn"])["lastStatus"] == "STOPPED")
    assert [c["exitCode"] for c in service.task(first["taskArn"])["containers"]] == [0]
