"""The drill of too many requests at once: tasks refuse what they cannot take, and more are started."""

from __future__ import annotations

import contextlib
import resource
import socket
import time

from stack.drill import slow
from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import RATE, Stage

_MINUTES = 20.0
# Scale-in waits for fifteen calm minutes, then for its cooldown, task by task.
_CALM_MINUTES = 60.0
# Connections at most that the drill opens; a worker answers ECHO_IN_FLIGHT requests at once.
_MOST = 2000
_STEP = 100
# The first have to be there still when the last are sent; for as long, others may be refused, too.
_SECONDS = 40


def overload(stage: Stage) -> None:
    """Hold more requests in flight than the tasks take, until they shed and scaling adds tasks."""
    before = stage.service().desired
    targets = stage.cloud.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[_resource_id(stage)]
    )["ScalableTargets"]
    most = targets[0]["MaxCapacity"] if targets else before
    if before >= most:
        raise NotHereError(f"{before} tasks run already, and there may be {most} at most")
    _allow_connections()
    stage.wait_for_calm("service", "LatencyAlarm", _MINUTES)
    with stage.sampled((("service", "LatencyAlarm"),)):
        over = _shed(stage)
        with stage.traffic(RATE * 4, fault="delay=0.2", share=0.5):
            stage.wait_for_alarm("service", "LatencyAlarm", "ALARM", _MINUTES)
            stage.wait("scaling wants more tasks", lambda: stage.service().desired > before, _MINUTES)
            # Until then others may be refused, which is no loss by tasks that are removed.
            stage.wait("the slow requests are over", lambda: time.monotonic() > over, 2.0)
            stage.wait(f"more than {before} tasks run", lambda: stage.service().running > before, _MINUTES)
        with stage.traffic() as after:
            stage.wait_for_alarm("service", "LatencyAlarm", "OK", _MINUTES)
            stage.wait(f"{before} tasks are enough again", lambda: _back(stage, before), _CALM_MINUTES)
    if after.lost:
        raise NotSeenError(f"requests were lost while tasks were removed: {after.summary()}")
    stage.note(f"no request was lost while tasks were removed: {after.summary()}")


def _allow_connections() -> None:
    """Raise the number of files that this process may open, which many systems begin with 1024."""
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST + 200
    if usual < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), most))


def _back(stage: Stage, before: int) -> bool:
    service = stage.service()
    return service.desired <= before and service.running == service.desired


def _resource_id(stage: Stage) -> str:
    service = stage.service()
    return f"service/{service.cluster.rpartition('/')[2]}/{service.name}"


def _shed(stage: Stage) -> float:
    """Open slow requests, more each time, until some are refused at once with 503.

    Returns when the tasks have answered all of them, in time.monotonic(): they do so for nobody, too.
    """
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        while len(held) < _MOST:
            held += slow.many(stage, stack, _STEP, _SECONDS)
            answers = slow.answers(held, 1.0)
            if answers[503]:
                stage.note(f"of {len(held)} slow requests, {answers[503]} were refused at once with 503")
                break
        else:
            raise NotSeenError(f"{_MOST} slow requests, and none was refused with 503")
        alive = stage.address.get(stage.address.health_path)
        if alive.status != 200:
            raise NotSeenError(f"{stage.address.health_path} answered {alive.status} meanwhile")
        stage.note(f"{stage.address.health_path} answers 200 meanwhile")
        return time.monotonic() + _SECONDS


DRILLS = (
    Drill(
        "overload",
        "More requests are in flight than the tasks take, and answers are slow.",
        "What is too much is refused at once with 503, tasks are added, and removed again when it is calm.",
        overload,
        ("LatencyAlarm",),
    ),
)
