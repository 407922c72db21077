"""The drill of too many requests at once: tasks refuse what they cannot take, and more are started."""

from __future__ import annotations

import contextlib
import socket

from stack.drill import slow
from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import RATE, Stage

_MINUTES = 20.0
# Scale-in waits for fifteen calm minutes, then for its cooldown, task by task.
_CALM_MINUTES = 60.0
# Requests a worker answers at once (ECHO_IN_FLIGHT), and connections at most that the drill opens.
_MOST = 2000
_STEP = 100
_SECONDS = 20


def overload(stage: Stage) -> None:
    """Hold more requests in flight than the tasks take, until they shed and scaling adds tasks."""
    before = stage.service().desired
    (target,) = stage.cloud.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[_resource_id(stage)]
    )["ScalableTargets"]
    if before >= target["MaxCapacity"]:
        raise NotHereError(f"{before} tasks run already, and MaxTasks is {target['MaxCapacity']}")
    stage.wait_for_calm("service", "LatencyAlarm", _MINUTES)
    with stage.sampled((("service", "LatencyAlarm"),)):
        _shed(stage)
        with stage.traffic(RATE * 2, fault="delay=0.2", share=0.5):
            stage.wait_for_alarm("service", "LatencyAlarm", "ALARM", _MINUTES)
            stage.wait("scaling wants more tasks", lambda: stage.service().desired > before, _MINUTES)
            stage.wait(f"more than {before} tasks run", lambda: stage.service().running > before, _MINUTES)
        with stage.traffic() as after:
            stage.wait_for_alarm("service", "LatencyAlarm", "OK", _MINUTES)
            stage.wait(f"{before} tasks are enough again", lambda: _back(stage, before), _CALM_MINUTES)
    if after.lost:
        raise NotSeenError(f"requests were lost while tasks were removed: {after.summary()}")
    stage.note(f"no request was lost while tasks were removed: {after.summary()}")


def _back(stage: Stage, before: int) -> bool:
    service = stage.service()
    return service.desired <= before and service.running == service.desired


def _resource_id(stage: Stage) -> str:
    service = stage.service()
    return f"service/{service.cluster.rpartition('/')[2]}/{service.name}"


def _shed(stage: Stage) -> None:
    """Open slow requests, more each time, until some are refused at once with 503."""
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        while len(held) < _MOST:
            for _ in range(_STEP):
                held.append(stack.enter_context(slow.request(stage, _SECONDS)))
            answers = slow.answers(held, 1.0)
            if answers[503]:
                stage.note(f"of {len(held)} requests at once, {answers[503]} were refused at once with 503")
                break
        else:
            raise NotSeenError(f"{_MOST} requests at once, and none was refused with 503")
        alive = stage.address.get(stage.address.health_path)
        if alive.status != 200:
            raise NotSeenError(f"{stage.address.health_path} answered {alive.status} meanwhile")
        stage.note(f"{stage.address.health_path} answers 200 meanwhile")


DRILLS = (
    Drill(
        "overload",
        "More requests are in flight than the tasks take, and answers are slow.",
        "What is too much is refused at once with 503, tasks are added, and removed again when it is calm.",
        overload,
    ),
)
