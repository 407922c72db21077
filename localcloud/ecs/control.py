"""The running half of ECS: its start, its steps and its end, and waiting for a service."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localcloud import balancer, emulator, metrics, speed
from localcloud.ecs import (
    checks,
    deployments,
    engine,
    gone,
    history,
    metadata,
    processes,
    strategies,
)
from localcloud.ecs.api import replace_actions
from localcloud.ecs.records import Record, ecs, forget_stopped, now
from localcloud.ecs.services import Scheduler
from localcloud.ecs.tasks import Tasks
from localcloud.rounds import Rounds
from localcloud.threads import in_thread

log = logging.getLogger("localcloud.ecs")

#: How often services are looked at while one of them waits for time to pass, and at rest.
_STEP_SECONDS, _REST_SECONDS = 0.5, 10.0
#: How often stopped tasks are looked through for what may be forgotten.
_FORGET_SECONDS = 60.0
#: CloudFormation gives ECS three hours; nobody wants to wait that long here.
_STABLE_SECONDS = 1800.0


class ServiceDeploymentFailed(Exception):  # noqa: N818 - it says what happened
    """A service's deployment did not succeed; the message has the breaker's reason and the tasks'."""


class Cloud:
    """The running half of ECS."""

    def __init__(self, state: Path, port: int, cloud_id: str, changed: Callable[..., None]) -> None:
        self._changed = changed
        self._rounds = Rounds("ecs", self._turn, _STEP_SECONDS)
        #: Something changed: look again soon.
        self.kick = self._rounds.wake
        self._forget_at = 0.0
        self.tasks = Tasks(state, port, cloud_id, self.kick)
        self.tasks.logged = lambda: changed(True)
        self.scheduler = Scheduler(self.tasks)

    def _turn(self) -> float:
        """Step through the services; seconds until they are to be looked at again."""
        at_rest = self.scheduler.step()
        if time.monotonic() >= self._forget_at:
            forget_stopped()
            self._forget_at = time.monotonic() + _FORGET_SECONDS
        if self._rounds.woken:
            self._changed()
        return _REST_SECONDS if at_rest else _STEP_SECONDS

    def start(self) -> None:
        """Begin, with the services as they were saved and none of their tasks running any more."""
        for (_, _, arn), task in ecs()._tasks.all_items():
            if task.get("desiredStatus") == "RUNNING":
                task.update(stoppedReason="The local cloud was stopped", stopCode="TerminationNotice")
            if not task.get("stoppedAt"):
                task["stoppedAt"] = now()
            task.update(lastStatus="STOPPED", desiredStatus="STOPPED", _counted=True)
            task.setdefault("_targets", [])
            for container in task.get("containers", []):
                container["lastStatus"] = "STOPPED"
            log.debug("task %s ended with the cloud before", arn)
        for service in ecs()._services.all_values():
            service["_healthy"] = 0
            for arn in {arn for one in service["deployments"] for arn in deployments.groups(one)}:
                balancer.current().forget(arn)
        self.kick()
        self._rounds.start()

    async def stop(self) -> None:
        """Stop all tasks; services stay as they are."""
        await self._rounds.stop()
        await self.tasks.close()
        if self.tasks.engine:
            await self.tasks.engine.close()


_current: Cloud | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[..., None]) -> None:
    """Take ECS over; on the event loop, after the balancer and before the saved state is loaded.

    `cloud_id` labels containers. `changed()` is called after services or tasks changed by themselves,
    `changed(True)` after log lines were stored, which may be saved less often.
    """
    global _current
    _current = Cloud(state_dir, int(urlsplit(gateway_url).port or 80), cloud_id, changed)
    replace_actions(_current)
    metadata.install(_current.tasks.records, docker_client)
    history.install()
    gone.install()
    checks.install()


async def start() -> None:
    """Bring the saved services back to their desired counts."""
    if _current is None:
        raise RuntimeError("ecs.install comes first")
    state, cloud_id = _current.tasks.state, _current.tasks.cloud_id
    await in_thread(lambda: sweep(state, cloud_id))
    balancer.current().observe(_current.kick)
    # An alarm ends a deployment even when it recovers soon.
    metrics.subscribe(_current.kick)
    _current.start()


async def stop() -> None:
    """Stop all tasks."""
    global _current
    if _current is not None:
        await _current.stop()
        _current = None


def sweep(state_dir: Path, cloud_id: str) -> None:
    """End the tasks that a killed local cloud of this state directory left; it must not be running."""
    if found := processes.sweep(state_dir / "tasks"):
        log.warning("ended the processes of %d containers that were left behind", found)
    for partial in (state_dir / "images").glob("partial-*"):
        shutil.rmtree(partial, ignore_errors=True)
    if (state_dir / engine.MARK).exists():
        engine.sweep(cloud_id)


def kick() -> None:
    """Look at the services again, for which something changed beside ECS."""
    if _current is not None:
        _current.kick()


async def kill(hit: Callable[[Record], bool], reason: str) -> list[str]:
    """See `Tasks.kill`."""
    if _current is None:
        raise RuntimeError("ecs.install comes first")
    return await _current.tasks.kill(hit, reason)


def docker_client() -> Any:
    """The client of the engine that runs tasks; None before there was a task in a container."""
    running = _current.tasks.engine if _current else None
    return running.client if running else None


def wait_service_stable(
    cluster: str, service: str, timeout: float = _STABLE_SECONDS
) -> Coroutine[Any, Any, None]:
    """Wait until a service has one completed deployment and its desired count of tasks.

    Call with the request's account and region set; await the result on the event loop. Raises
    ServiceDeploymentFailed when the deployment that was primary at the call fails, or after `timeout`
    seconds, besides those that the deployment itself waits (bake time, steps of a canary).
    """
    responses = emulator.module("core.responses")
    where = (responses.get_account_id(), responses.get_region())
    record = ecs()._services.get_scoped(*where, f"{cluster}/{service}")
    if record is None:
        raise ServiceDeploymentFailed(f"there is no service {service} in cluster {cluster}")
    deployment = deployments.primary(record)
    baking = speed.minutes(strategies.waiting_minutes(deployment["_config"]))
    return _stable(record, deployment, timeout + baking)


async def _stable(service: Record, deployment: Record, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        if service["status"] != "ACTIVE":
            raise ServiceDeploymentFailed(f"service {service['serviceName']} was deleted")
        why = "; ".join(deployments.reasons(deployment)[:3])
        if deployment["rolloutState"] == "FAILED":
            failure = deployment.get("_failure") or deployments.BREAKER.summary
            raise ServiceDeploymentFailed(f"{failure}: {why}" if why else failure)
        if (
            deployment["rolloutState"] == "COMPLETED"
            and len(service["deployments"]) == 1
            and service["runningCount"] == service["desiredCount"] <= service.get("_healthy", 0)
        ):
            return
        if time.monotonic() > deadline:
            raise ServiceDeploymentFailed(
                f"service {service['serviceName']} did not become stable within {seconds:.0f} s"
                + (f": {why}" if why else "")
            )
        await asyncio.sleep(0.05)
