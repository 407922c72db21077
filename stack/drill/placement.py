"""Drills that take tasks away: one that crashes, and all of a zone."""

from __future__ import annotations

import contextlib
import http.client

from stack.drill import commands
from stack.drill.drill import Drill, NotHereError, NotSeenError
from stack.drill.stage import Stage, is_well
from stack.now import tasks

_MINUTES = 15.0
# How long a zone is away where the environment has a way to take it away.
_ZONE_SECONDS = 60


def killed(stage: Stage) -> None:
    """Have a task crash; ECS has to see it, say why, and replace it."""
    before = {task.id for task in stage.service().tasks}
    if len(before) < 2:
        stage.note("there is only one task, so requests fail until it is replaced")
    with stage.sampled((("monitoring", "TasksAlarm"),)), stage.traffic() as traffic:
        # A POST, which nothing on the way may send to a second task. The connection breaks with the task, or
        # the balancer answers 502 for it: either was asked for.
        with contextlib.suppress(OSError, http.client.HTTPException):
            stage.echo("drill", fault="crash=task")
        stage.wait("a task is gone", lambda: len(_left(stage, before)) < len(before), _MINUTES)
        ended = [task for task in tasks.ended(stage.cloud, stage.service()) if task.id in before]
        if not ended or not any(code for task in ended for code in task.exit_codes.values()):
            raise NotSeenError(f"ECS does not say that a task of {', '.join(before)} ended with an exit code")
        codes = ", ".join(str(code) for code in ended[-1].exit_codes.values())
        stage.note(f"ECS says why: {ended[-1].reason or 'no reason'}, exit code {codes}")
        stage.wait_for_service(_MINUTES)
    stage.note(f"requests meanwhile: {traffic.summary()}")
    # A balancer that has not noticed goes on sending the task its share, and no more than that.
    if len(before) > 1 and traffic.lost_share > 1 / len(before):
        raise NotSeenError(f"{traffic.lost_share:.1%} of the requests were lost, more than one task's share")


def _left(stage: Stage, before: set[str]) -> set[str]:
    return {task.id for task in stage.service().tasks if task.status == "RUNNING"} & before


def zone(stage: Stage) -> None:
    """Take away all tasks of one zone at once; the others have to carry on."""
    service = stage.service()
    if len(service.zones) < 2:
        raise NotHereError("all tasks are in one zone; MinTasks and Zones say how many there are")
    lost = max(service.zones, key=lambda zone: service.zones[zone])
    there = {task.id for task in service.tasks if task.zone == lost}
    with stage.sampled(()), stage.traffic() as traffic:
        outage = commands.run(stage.cloud, "zone_outage", zone=lost, seconds=str(_ZONE_SECONDS))
        if outage:
            stage.restore.callback(commands.run, stage.cloud, "zone_outage", zone=lost, seconds="0")
            stage.note(f"{lost} is gone: its {len(there)} tasks are killed, and none starts there")
        else:
            for task in there:
                stage.cloud.ecs.stop_task(
                    cluster=service.cluster, task=task, reason=f"a drill: {lost} is lost"
                )
            stage.note(f"all {len(there)} tasks of {lost} are stopped at once")
        stage.wait(f"none of them is left in {lost}", lambda: not _left(stage, there), _MINUTES)
        stage.wait(
            "as many tasks as before run and are healthy",
            lambda: stage.service().running >= service.running and is_well(stage.service()),
            _MINUTES,
        )
        if outage:
            commands.run(stage.cloud, "zone_outage", zone=lost, seconds="0")
            stage.note(f"{lost} is back")
    stage.note(f"requests meanwhile: {traffic.summary()}")
    # What was under way on a task that is killed is lost; nothing that comes after it may be.
    if traffic.lost_share > 0.05:
        raise NotSeenError(
            f"{traffic.lost_share:.1%} of the requests were lost; on killed tasks there were fewer"
        )


DRILLS = (
    Drill(
        "killed-task",
        "A task crashes.",
        "ECS says why and replaces it; the other tasks answer meanwhile.",
        killed,
    ),
    Drill(
        "lost-zone",
        "All tasks of one zone are gone at once.",
        "The other zones carry on, and as many tasks as before run again.",
        zone,
    ),
)
