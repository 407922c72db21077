"""The service scheduler: desired counts, health, and rolling deployments."""

from __future__ import annotations

import logging
import math
import time

from localcloud import balancer, emulator
from localcloud.ecs.deployments import breaker_threshold, primary, trip, why
from localcloud.ecs.records import Record, ecs, event, new_task, now, subnets
from localcloud.ecs.tasks import Tasks

log = logging.getLogger("localcloud.ecs")

#: Without any health check, a task that stays up this long counts as healthy.
_SETTLE_SECONDS = 1.0
#: Pause before the next start after failures in a row, in seconds for each of them, and at most.
_BACKOFF, _BACKOFF_MOST = 0.5, 10.0


class Scheduler:
    """Brings every service to what its record says, one step at a time. Lives on the event loop."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self._not_before: dict[str, float] = {}

    def step(self) -> None:
        """Look at every service once."""
        responses = emulator.module("core.responses")
        for (account, region, key), service in ecs()._services.all_items():
            if service["status"] == "INACTIVE":
                continue
            with responses.request_scope(account, region):
                try:
                    self._service(key.split("/", 1)[0], service, account, region)
                except Exception:
                    log.exception("service %s", key)

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
        self._register(service, live)
        wanted = primary(service)
        self._count_failures(service, wanted)
        wanted = primary(service)
        self._stop_unhealthy(service, live)
        live = [t for t in live if t["desiredStatus"] == "RUNNING"]
        self._adjust(cluster, service, wanted, live, account, region)
        service["_healthy"] = sum(self.healthy(service, t) for t in live)
        self._complete(service, wanted, live, mine)
        self._count(service, mine)
        ecs()._recount_cluster(cluster)

    # --- health ---------------------------------------------------------------------------------------------

    def _register(self, service: Record, live: list[Record]) -> None:
        for lb in service.get("loadBalancers") or []:
            arn = lb.get("targetGroupArn")
            for task in live:
                if task["lastStatus"] != "RUNNING" or not arn or any(t[0] == arn for t in task["_targets"]):
                    continue
                port = task["_ports"].get(str(lb["containerPort"]), int(lb["containerPort"]))
                target = [arn, task["_container_ip"], port]
                try:
                    balancer.current().register(*target)
                except KeyError:
                    event(service, f"failed to register targets in (target-group {arn}): it does not exist.")
                    continue
                task["_targets"].append(target)
                event(service, f"registered 1 targets in (target-group {arn})")

    def healthy(self, service: Record, task: Record) -> bool:
        """Whether a task counts: running, its containers' checks passed, its targets healthy."""
        if task["lastStatus"] != "RUNNING" or task["desiredStatus"] != "RUNNING":
            return False
        definition = ecs()._task_defs.get(ecs()._resolve_td_key(task["taskDefinitionArn"])) or {}
        checked = any(
            c.get("healthCheck") and c.get("essential", True)
            for c in definition.get("containerDefinitions", [])
        )
        if checked and task["healthStatus"] != "HEALTHY":
            return False
        balancers = service.get("loadBalancers") or []
        if len(task["_targets"]) < len(balancers):
            return False
        if any(balancer.current().health(*t)[0] != "healthy" for t in task["_targets"]):
            return False
        return bool(checked or balancers or time.monotonic() - task["_started"] >= _SETTLE_SECONDS)

    def _stop_unhealthy(self, service: Record, live: list[Record]) -> None:
        grace = float(service.get("healthCheckGracePeriodSeconds") or 0)
        for task in live:
            if task["lastStatus"] != "RUNNING" or time.monotonic() - task["_started"] < grace:
                continue
            identity = task["taskArn"].rsplit("/", 1)[1]
            reason = ""
            if task["healthStatus"] == "UNHEALTHY":
                reason = "Task failed container health checks"
                event(service, f"(task {identity}) failed container health checks.")
            for target in task["_targets"]:
                state, why = balancer.current().health(*target)
                if state == "unhealthy":
                    reason = f"Task failed ELB health checks in (target-group {target[0]})"
                    event(
                        service,
                        f"(port {target[2]}) is unhealthy in (target-group {target[0]}) due to (reason "
                        f"{why}).",
                    )
            if reason:
                task["_failed"] = True
                self.tasks.stop(task, reason, "ServiceSchedulerInitiated")

    def _count_failures(self, service: Record, wanted: Record) -> None:
        for task in ecs()._tasks.values():
            if (
                task.get("_deployment_id") != wanted["id"]
                or task.get("_counted")
                or not task.get("_started_by_us")
            ):
                continue
            if self.healthy(service, task):
                if not task.get("_was_healthy"):
                    task["_was_healthy"] = True
                    wanted["failedTasks"] = 0
                    self._not_before.pop(wanted["id"], None)
                continue
            failed = task.get("_failed") or task.get("stopCode") in (
                "EssentialContainerExited",
                "TaskFailedToStart",
            )
            if not failed or task["desiredStatus"] != "STOPPED":
                continue
            task["_counted"] = True
            failures = wanted["failedTasks"] = wanted["failedTasks"] + 1
            wanted["updatedAt"] = now()
            pause = min(_BACKOFF * failures, _BACKOFF_MOST)
            self._not_before[wanted["id"]] = time.monotonic() + pause
            wanted["_reasons"] = [why(task), *wanted.get("_reasons", [])][:20]
            identity = task["taskArn"].rsplit("/", 1)[1]
            if task.get("stopCode") == "TaskFailedToStart":
                event(service, f"was unable to place or start (task {identity}): {task['stoppedReason']}")
            elif not task.get("_failed"):
                event(service, f"(task {identity}) stopped: {why(task)}")
        breaker = (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
        if (
            breaker.get("enable")
            and wanted["rolloutState"] == "IN_PROGRESS"
            and wanted["failedTasks"] >= breaker_threshold(service)
        ):
            trip(service, wanted, bool(breaker.get("rollback")))

    # --- how many -------------------------------------------------------------------------------------------

    def _adjust(
        self, cluster: str, service: Record, wanted: Record, live: list[Record], account: str, region: str
    ) -> None:
        desired = int(service["desiredCount"])
        config = service.get("deploymentConfiguration") or {}
        most = max(1, desired * int(config.get("maximumPercent", 200)) // 100)
        least = math.ceil(desired * int(config.get("minimumHealthyPercent", 100)) / 100)
        new = [t for t in live if t.get("_deployment_id") == wanted["id"]]
        old = [t for t in live if t.get("_deployment_id") != wanted["id"]]
        failed = wanted["rolloutState"] == "FAILED"
        # Scale in: the newest that are not healthy first.
        excess = len(new) - (0 if failed else desired)
        if excess > 0:
            new.sort(key=lambda t: (self.healthy(service, t), -t["_order"]))
            for task in new[:excess]:
                self._stop(service, task)
            new = new[excess:]
        # Old ones go as far as enough healthy ones stay; those that are not healthy serve nobody and go
        # first.
        spare = sum(self.healthy(service, t) for t in new + old) - least
        for task in sorted(old, key=lambda t: (self.healthy(service, t), t["_order"])):
            is_healthy = self.healthy(service, task)
            if is_healthy and spare <= 0:
                break
            if not is_healthy and not new and not failed and task["lastStatus"] == "RUNNING" and desired:
                continue
            spare -= is_healthy
            old.remove(task)
            self._stop(service, task)
        room = min(desired - len(new), most - len(new) - len(old))
        if failed or room <= 0 or time.monotonic() < self._not_before.get(wanted["id"], 0):
            return
        for _ in range(room):
            self._start(cluster, service, wanted, live, account, region)
        event(service, f"has started {room} tasks.")

    def _stop(self, service: Record, task: Record) -> None:
        identity = task["taskArn"].rsplit("/", 1)[1]
        self.tasks.stop(
            task,
            f"Scaling activity initiated by (deployment {primary(service)['id']})",
            "ServiceSchedulerInitiated",
        )
        if task["_targets"]:
            event(service, "has begun draining connections on 1 tasks.")
        event(service, f"has stopped 1 running tasks: (task {identity}).")

    def _start(
        self, cluster: str, service: Record, wanted: Record, live: list[Record], account: str, region: str
    ) -> None:
        definition = ecs()._task_defs.get(ecs()._resolve_td_key(wanted["taskDefinition"]))
        if definition is None:
            event(service, f"cannot start tasks: there is no task definition {wanted['taskDefinition']}.")
            self._not_before[wanted["id"]] = time.monotonic() + _BACKOFF_MOST
            return
        # The subnet, and so the zone, that has the fewest of this deployment's tasks.
        places = subnets(service.get("networkConfiguration"))
        used = [t["_subnet"] for t in live if t.get("_deployment_id") == wanted["id"]]
        subnet = min(places, key=used.count) if places else None
        launch_type, provider = ecs()._task_capacity(
            service.get("launchType"), service.get("capacityProviderStrategy")
        )
        task = new_task(
            definition,
            ecs()._clusters[cluster],
            subnet=subnet,
            group=f"service:{service['serviceName']}",
            started_by=wanted["id"],
            launch_type=launch_type,
            provider=provider,
            deployment=wanted["id"],
            execute_command=bool(service.get("enableExecuteCommand")),
            tags=list(service.get("tags") or []) if service.get("propagateTags") == "SERVICE" else [],
            platform_version=str(service.get("platformVersion") or ""),
        )
        task.update(_order=time.monotonic_ns(), _started_by_us=True)
        ecs()._tasks[task["taskArn"]] = task
        live.append(task)
        self.tasks.launch(task, definition, account, region)

    # --- what is shown --------------------------------------------------------------------------------------

    def _complete(self, service: Record, wanted: Record, live: list[Record], mine: list[Record]) -> None:
        used = {t.get("_deployment_id") for t in mine}
        service["deployments"] = [
            d
            for d in service["deployments"]
            if d["status"] == "PRIMARY" or d["id"] in used or (d["rolloutState"] == "FAILED" and d is wanted)
        ]
        if wanted["rolloutState"] != "IN_PROGRESS":
            return
        healthy = sum(self.healthy(service, t) for t in live if t.get("_deployment_id") == wanted["id"])
        if healthy < int(service["desiredCount"]) or used - {wanted["id"]}:
            return
        wanted.update(
            rolloutState="COMPLETED",
            rolloutStateReason=f"ECS deployment {wanted['id']} completed.",
            updatedAt=now(),
        )
        service["_last_completed"] = {"id": wanted["id"], "taskDefinition": wanted["taskDefinition"]}
        event(service, f"(deployment {wanted['id']}) deployment completed.")
        event(service, "has reached a steady state.")

    @staticmethod
    def _count(service: Record, mine: list[Record]) -> None:
        def numbers(tasks: list[Record]) -> dict[str, int]:
            running = sum(t["lastStatus"] == "RUNNING" for t in tasks)
            pending = sum(t["lastStatus"] in ("PROVISIONING", "PENDING", "ACTIVATING") for t in tasks)
            return {"runningCount": running, "pendingCount": pending}

        service.update(numbers(mine))
        for deployment in service["deployments"]:
            deployment.update(numbers([t for t in mine if t.get("_deployment_id") == deployment["id"]]))
