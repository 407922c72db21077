"""The drill of a release that is broken: its tasks are healthy and crash on each request."""

from __future__ import annotations

from typing import Any, Literal

from stack.drill.drill import Drill, NotSeenError
from stack.drill.stage import Stage
from stack.now import tasks

_MINUTES = 25.0
# Where a version need not bake, alarms would come too late; for this deployment it has to.
_BAKE_MINUTES = 5
_ALARMS = ("ErrorsAlarm", "UnhealthyAlarm", "SlowAlarm")
# What DescribeTaskDefinition says beside what RegisterTaskDefinition takes.
_NOT_REGISTERED = (
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
    "registeredBy", "deregisteredAt",
)  # fmt: skip


def broken(stage: Stage) -> None:
    """Deploy a revision that crashes on each request; the deployment's alarms have to take it back."""
    ticket = stage.has("monitoring", "DeploymentFailedAlarm")
    if ticket:
        stage.wait_for_calm("monitoring", "DeploymentFailedAlarm", _MINUTES)
    # One that stands already would take any release back at once.
    with stage.traffic():
        for alarm in _ALARMS:
            stage.wait_for_alarm("service", alarm, "OK", _MINUTES)
    service = stage.service()
    ecs: Any = stage.cloud.ecs
    (now,) = ecs.describe_services(cluster=service.cluster, services=[service.name])["services"]
    good, usual = service.definition, now["deploymentConfiguration"]
    definition = ecs.describe_task_definition(taskDefinition=good)["taskDefinition"]
    copy = {key: value for key, value in definition.items() if key not in _NOT_REGISTERED}
    copy["containerDefinitions"][0]["environment"] = [
        *(
            one
            for one in copy["containerDefinitions"][0].get("environment", [])
            if one["name"] not in ("ECHO_FAULTS", "ECHO_RELEASE_FAULT")
        ),
        {"name": "ECHO_FAULTS", "value": "on"},
        {"name": "ECHO_RELEASE_FAULT", "value": "crash"},
    ]
    bad = ecs.register_task_definition(**copy)["taskDefinition"]["taskDefinitionArn"]
    stage.restore.callback(ecs.deregister_task_definition, taskDefinition=bad)

    def restore() -> None:
        ecs.update_service(
            cluster=service.cluster, service=service.name, taskDefinition=good, deploymentConfiguration=usual
        )
        stage.wait_for_service(_MINUTES)

    def ran() -> bool:
        # They may be gone again between two looks.
        known = [*_tasks(stage, service, bad, "RUNNING"), *_tasks(stage, service, bad, "STOPPED")]
        return any("startedAt" in one for one in known)

    stage.restore.callback(restore)
    baking = {**usual, "bakeTimeInMinutes": max(_BAKE_MINUTES, usual.get("bakeTimeInMinutes", 0))}
    with stage.sampled((("service", "ErrorsAlarm"),)), stage.traffic() as traffic:
        ecs.update_service(
            cluster=service.cluster, service=service.name, taskDefinition=bad, deploymentConfiguration=baking
        )
        stage.note("a release is deployed that is healthy, and crashes on each request")
        stage.wait("its tasks run", ran, _MINUTES)
        stage.wait_for_alarm("service", "ErrorsAlarm", "ALARM", _MINUTES)
        stage.wait(
            "ECS goes back to the release before", lambda: stage.service().definition == good, _MINUTES
        )
        if ticket:
            stage.wait_for_alarm("monitoring", "DeploymentFailedAlarm", "ALARM", _MINUTES)
        stage.wait("none of its tasks is left", lambda: not _tasks(stage, service, bad, "RUNNING"), _MINUTES)
        stage.wait_for_service(_MINUTES)
    with stage.traffic() as after:
        stage.wait_for_alarm("service", "ErrorsAlarm", "OK", _MINUTES)
    stage.note(f"requests meanwhile: {traffic.summary()}")
    if after.lost:
        raise NotSeenError(f"requests still fail after it was taken back: {after.summary()}")


def _tasks(
    stage: Stage, service: tasks.Service, definition: str, wanted: Literal["RUNNING", "STOPPED"]
) -> list[Any]:
    """The service's tasks of this definition that are to run, or that stopped, as DescribeTasks has them."""
    found = tasks.described(stage.cloud, service.cluster, service.name, wanted)
    return [one for one in found if one["taskDefinitionArn"] == definition]


DRILLS = (
    Drill(
        "bad-release",
        "A release is deployed whose tasks are healthy and crash on each request.",
        "The deployment's alarm stands while it bakes, ECS goes back to the release before, and tells.",
        broken,
        ("ErrorsAlarm", "DeploymentFailedAlarm"),
    ),
)
