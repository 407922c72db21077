"""The starts of a service's tasks: which definition, which subnet, which capacity provider, and when not."""

from __future__ import annotations

import time

from localcloud.ecs import announce, capacity, deployments
from localcloud.ecs.failures import BACKOFF_MOST, Failures
from localcloud.ecs.records import Record, ecs, event, new_task, subnets
from localcloud.ecs.tasks import Tasks
from localcloud.ecs.zones import NO_CAPACITY, usable


class Start:
    """Starts tasks of one service during one look at it."""

    def __init__(
        self,
        tasks: Tasks,
        failures: Failures,
        cluster: str,
        service: Record,
        live: list[Record],
        account: str,
        region: str,
    ) -> None:
        self._tasks, self._failures = tasks, failures
        self._cluster, self._service, self._live = cluster, service, live
        self._where = (account, region)

    def tasks(self, deployment: Record, count: int) -> None:
        """Start so many tasks of a deployment, unless its tasks just failed."""
        failures, service = self._failures, self._service
        if count <= 0 or not failures.may_start(deployment):
            return
        definition = ecs()._task_defs.get(ecs()._resolve_td_key(deployment["taskDefinition"]))
        if definition is None:
            why = f"there is no task definition {deployment['taskDefinition']}."
            event(service, f"cannot start tasks: {why}")
            announce.action(service, "SERVICE_TASK_CONFIGURATION_FAILURE", why)
            failures.pause(deployment, BACKOFF_MOST)
            return
        places = subnets(deployments.revision(deployment).get("networkConfiguration"))
        if places and not (places := usable(places)):
            if event(service, f"was unable to place a task. Reason: {NO_CAPACITY}."):
                announce.action(service, "SERVICE_TASK_PLACEMENT_FAILURE", NO_CAPACITY)
            failures.pause(deployment, 1.0)
            return
        for _ in range(count):
            self.one(deployment, places)
        event(service, f"has started {count} tasks.")

    def one(self, deployment: Record, places: list[str]) -> Record:
        """Start one task in the subnet, and so the zone, that has the fewest of this deployment's."""
        service, revision = self._service, deployments.revision(deployment)
        definition = ecs()._task_defs[ecs()._resolve_td_key(deployment["taskDefinition"])]
        mine = [t for t in self._live if t.get("_deployment_id") == deployment["id"]]
        used = [t["_subnet"] for t in mine]
        strategy = revision.get("capacityProviderStrategy")
        provider = capacity.choose(strategy, [t["capacityProviderName"] for t in mine]) if strategy else None
        task = new_task(
            definition,
            ecs()._clusters[self._cluster],
            subnet=min(places, key=used.count) if places else None,
            group=f"service:{service['serviceName']}",
            started_by=deployment["id"],
            launch_type="FARGATE" if provider else revision.get("launchType") or "EC2",
            provider=provider,
            deployment=deployment["id"],
            execute_command=bool(service.get("enableExecuteCommand")),
            tags=list(service.get("tags") or []) if service.get("propagateTags") == "SERVICE" else [],
            platform_version=str(revision.get("platformVersion") or ""),
        )
        task.update(_order=time.monotonic_ns(), _started_by_us=True)
        ecs()._tasks[task["taskArn"]] = task
        self._live.append(task)
        self._tasks.launch(task, definition, *self._where)
        return task
