"""The service scheduler: brings every service to its desired count and carries its deployments out."""

from __future__ import annotations

import logging
import math
from collections import Counter
from typing import Any

from localcloud import emulator
from localcloud.balancer.weights import NoForwardError
from localcloud.ecs import announce, deployments, history, strategies
from localcloud.ecs.deployments import primary
from localcloud.ecs.failures import Failures
from localcloud.ecs.records import Record, ecs, event
from localcloud.ecs.serving import healthy, register, stop_unhealthy
from localcloud.ecs.starting import Start
from localcloud.ecs.tasks import Tasks
from localcloud.ecs.zones import Rebalancing

log = logging.getLogger("localcloud.ecs")


class Scheduler:
    """Brings every service to what its record says, one step at a time. Lives on the event loop."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.failures = Failures()

    def step(self) -> bool:
        """Look at every service once; whether all of them are at rest: nothing waits for time."""
        responses = emulator.module("core.responses")
        at_rest = True
        for (account, region, key), service in ecs()._services.all_items():
            if service["status"] == "INACTIVE":
                continue
            with responses.request_scope(account, region):
                try:
                    self._service(key.split("/", 1)[0], service, account, region)
                except Exception:
                    log.exception("service %s", key)
                _steady(service)
            at_rest = at_rest and _at_rest(service)
        return at_rest

    def _service(self, cluster: str, service: Record, account: str, region: str) -> None:
        mine = [
            t
            for t in ecs()._tasks.values()
            if t.get("group") == f"service:{service['serviceName']}"
            and t.get("clusterArn") == service["clusterArn"]
            and t["lastStatus"] != "STOPPED"
        ]
        live = [t for t in mine if t["desiredStatus"] == "RUNNING"]
        if service["status"] == "DRAINING":
            for task in live:
                self.tasks.stop(
                    task,
                    f"Scaling activity initiated by (deployment {task['_deployment_id']})",
                    "ServiceSchedulerInitiated",
                )
            if not mine:
                service["status"] = "INACTIVE"
                service["deployments"] = []
            self._count(service, mine)
            ecs()._recount_cluster(cluster)
            return
        before = _progress(service)
        self._prepare(service, primary(service))
        register(service, live)
        self.failures.count(service, primary(service))
        if verdict := self.failures.verdict(service, primary(service)):
            self._fail(service, primary(service), *verdict)
        wanted = primary(service)
        stop_unhealthy(self.tasks, service, live)
        live = [t for t in live if t["desiredStatus"] == "RUNNING"]
        start = Start(self.tasks, self.failures, cluster, service, live, account, region)
        if kept := strategies.kept_source(service, wanted):
            self._beside(service, wanted, kept, live, start)
        elif not self._rebalancing(service).step(
            service, wanted, live, lambda places: start.one(wanted, places)
        ):
            self._instead(service, wanted, live, start)
        service["_healthy"] = sum(healthy(service, t) for t in live)
        self._complete(service, wanted, live, mine)
        if _progress(service) != before:
            self.tasks.changed()
        self._count(service, mine)
        ecs()._recount_cluster(cluster)

    def _prepare(self, service: Record, wanted: Record) -> None:
        if wanted["_stage"] == "RECONCILE_SERVICE" and wanted["rolloutState"] == "IN_PROGRESS":
            try:
                strategies.prepare(service, wanted)
            except strategies.NetworkingError as exc:
                self._fail(service, wanted, deployments.networking(str(exc)), rollback=True)

    @staticmethod
    def _fail(service: Record, failed: Record, cause: deployments.Cause, rollback: bool) -> None:
        """End a deployment as failed, and send all traffic back where it came from, if that is wanted."""
        if deployments.fail(service, failed, cause, rollback):
            try:
                strategies.put_back(failed)
            except NoForwardError as exc:
                event(service, f"traffic could not be sent back: {exc}.")

    # --- how many -------------------------------------------------------------------------------------------

    def _beside(
        self, service: Record, wanted: Record, kept: Record, live: list[Record], start: Start
    ) -> None:
        """Both deployments at their full count; none of what came in between."""
        desired = int(service["desiredCount"])
        by_id = {
            d["id"]: [t for t in live if t.get("_deployment_id") == d["id"]] for d in service["deployments"]
        }
        for deployment in (wanted, kept):
            deployment["desiredCount"] = desired
            tasks = self._trim(service, by_id[deployment["id"]], desired)
            if wanted["rolloutState"] != "FAILED":
                start.tasks(deployment, desired - len(tasks))
        if sum(healthy(service, t) for t in by_id[kept["id"]]) >= desired:
            for identity, tasks in by_id.items():
                if identity not in (wanted["id"], kept["id"]):
                    self._trim(service, tasks, 0)

    def _trim(self, service: Record, tasks: list[Record], count: int) -> list[Record]:
        """Stop what is more than `count`; the rest.

        Those that are not healthy go first, then the newest of the zone that has most.
        """
        tasks = list(tasks)
        while len(tasks) > count:
            zones = Counter(t["availabilityZone"] for t in tasks)
            first = min(
                tasks, key=lambda t: (healthy(service, t), -zones[t["availabilityZone"]], -t["_order"])
            )
            tasks.remove(first)
            self._stop(service, first)
        return tasks

    def _instead(self, service: Record, wanted: Record, live: list[Record], start: Start) -> None:
        """New tasks in the place of old ones, within the service's percentages."""
        desired = int(service["desiredCount"])
        config = service.get("deploymentConfiguration") or {}
        most = max(1, desired * int(config.get("maximumPercent", 200)) // 100)
        least = math.ceil(desired * int(config.get("minimumHealthyPercent", 100)) / 100)
        new = [t for t in live if t.get("_deployment_id") == wanted["id"]]
        old = [t for t in live if t.get("_deployment_id") != wanted["id"]]
        failed = wanted["rolloutState"] == "FAILED"
        if failed:
            # It launches no more tasks, but those that serve go on serving.
            least = desired
            new = self._trim(service, new, min(desired, sum(healthy(service, t) for t in new)))
        else:
            new = self._trim(service, new, desired)
        # Old ones go as far as enough healthy ones stay; those that are not healthy serve nobody and go
        # first.
        spare = sum(healthy(service, t) for t in new + old) - least
        for task in sorted(old, key=lambda t: (healthy(service, t), t["_order"])):
            is_healthy = healthy(service, task)
            if is_healthy and spare <= 0:
                break
            # Unless they hold the place that new ones need, as those of a deployment that is taken back.
            room = most - len(old) >= desired > 0
            if not is_healthy and not new and not failed and task["lastStatus"] == "RUNNING" and room:
                continue
            spare -= is_healthy
            old.remove(task)
            self._stop(service, task)
        if not failed:
            start.tasks(wanted, min(desired - len(new), most - len(new) - len(old)))

    def _rebalancing(self, service: Record) -> Rebalancing:
        return Rebalancing(lambda task, text: self._stop(service, task, text))

    def _stop(self, service: Record, task: Record, text: str = "") -> None:
        identity = task["taskArn"].rsplit("/", 1)[1]
        self.tasks.stop(
            task,
            f"Scaling activity initiated by (deployment {primary(service)['id']})",
            "ServiceSchedulerInitiated",
        )
        if task["_targets"]:
            event(service, "has begun draining connections on 1 tasks.")
        event(service, text or f"has stopped 1 running tasks: (task {identity}).")
        announce.action(service, "TASKS_STOPPED")

    # --- what is shown --------------------------------------------------------------------------------------

    def _complete(self, service: Record, wanted: Record, live: list[Record], mine: list[Record]) -> None:
        used = {t.get("_deployment_id") for t in mine}
        kept = strategies.kept_source(service, wanted)
        service["deployments"] = [
            d for d in service["deployments"] if d["status"] == "PRIMARY" or d["id"] in used or d is kept
        ]
        if wanted["rolloutState"] != "IN_PROGRESS" or wanted["_stage"] == "RECONCILE_SERVICE":
            return
        count = sum(healthy(service, t) for t in live if t.get("_deployment_id") == wanted["id"])
        ready, alone = count >= int(service["desiredCount"]), not used - {wanted["id"]}
        try:
            strategies.advance(service, wanted, ready, alone)
        except NoForwardError as exc:
            self._fail(service, wanted, deployments.networking(str(exc)), rollback=True)
            return
        if ready and alone and wanted["_stage"] == "CLEAN_UP":
            deployments.finish(service, wanted)

    @staticmethod
    def _count(service: Record, mine: list[Record]) -> None:
        def numbers(tasks: list[Record]) -> dict[str, int]:
            running = sum(t["lastStatus"] == "RUNNING" for t in tasks)
            pending = sum(t["lastStatus"] in ("PROVISIONING", "PENDING", "ACTIVATING") for t in tasks)
            return {"runningCount": running, "pendingCount": pending}

        service.update(numbers(mine))
        for deployment in service["deployments"]:
            deployment.update(numbers([t for t in mine if t.get("_deployment_id") == deployment["id"]]))
        service["currentServiceRevisions"] = history.current_revisions(service)


def _at_rest(service: Record) -> bool:
    """Whether a service has what it should have: only something that happens can change that."""
    if service["status"] == "INACTIVE":
        return True
    completed = [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
    counts = {service.get(name) for name in ("desiredCount", "runningCount", "_healthy")}
    return completed and len(counts) == 1 and not service["pendingCount"]


def _steady(service: Record) -> None:
    """Tell of a service that has what it should have again, once it had not."""
    steady = service["status"] == "ACTIVE" and _at_rest(service)
    if steady and not service.get("_steady"):
        event(service, "has reached a steady state.")
        announce.action(service, "SERVICE_STEADY_STATE")
    service["_steady"] = steady


def _progress(service: Record) -> list[tuple[Any, ...]]:
    """How far a service's deployments are."""
    return [(d["id"], d["rolloutState"], d["_stage"], d.get("_step")) for d in service["deployments"]]
