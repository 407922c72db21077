"""ECS's API on MiniStack's records: the actions that start, change or stop something that runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from localcloud import emulator
from localcloud.ecs import capacity
from localcloud.ecs.configuration import (
    RefusedError,
    deployment_configuration,
    load_balancers,
    strategy_problem,
)
from localcloud.ecs.deployments import begin, begin_again, make_deployment, primary
from localcloud.ecs.records import Record, ecs, forget_stopped, new_task, now, subnets
from localcloud.ecs.zones import NO_CAPACITY, usable

if TYPE_CHECKING:
    from localcloud.ecs.control import Cloud


#: Members of UpdateService that begin a new deployment, and those that do not.
_DEPLOYED = (
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "capacityProviderStrategy",
    "serviceRegistries",
    "enableExecuteCommand",
    "propagateTags",
    "enableECSManagedTags",
)
_PLAIN = ("healthCheckGracePeriodSeconds", "deploymentConfiguration", "availabilityZoneRebalancing")


def replace_actions(cloud: Cloud) -> None:
    """Put the actions of `cloud` in the place of MiniStack's."""
    module = ecs()
    create, tasks = module._create_service, cloud.tasks

    async def inline(function: Callable[..., Any], *arguments: Any, thread_name: str = "") -> Any:
        """Records have one owner, the event loop; nothing here blocks it."""
        del thread_name
        return function(*arguments)

    def found(data: Record) -> tuple[str, Record | None]:
        cluster = module._resolve_cluster_name(data.get("cluster", "default")) or ""
        name = (module._resolve_service_ref(data.get("service", "")) or ("",))[0]
        return cluster, module._services.get(f"{cluster}/{name}")

    def missing() -> Any:
        return module.error_response_json("ServiceNotFoundException", "Service not found.", 400)

    def refused(exc: RefusedError) -> Any:
        return module.error_response_json("InvalidParameterException", str(exc), 400)

    def create_service(data: Record) -> Any:
        data = {key: value for key, value in data.items() if value is not None}
        if not data.get("capacityProviderStrategy"):
            data.pop("capacityProviderStrategy", None)
        definition = module._task_defs.get(module._resolve_td_key(data.get("taskDefinition", "")))
        if definition is None or definition["status"] != "ACTIVE":
            return module.error_response_json("ClientException", "TaskDefinition not found.", 400)
        for key in ("desiredCount", "healthCheckGracePeriodSeconds"):
            if key in data:
                data[key] = int(data[key])
        try:
            config = data["deploymentConfiguration"] = deployment_configuration(
                data.get("deploymentConfiguration")
            )
            data["loadBalancers"] = load_balancers(data.get("loadBalancers"), config)
            strategy_problem(data.get("capacityProviderStrategy"))
        except RefusedError as exc:
            return refused(exc)
        answer = create(data)
        if answer[0] != 200:
            return answer
        _, service = found({**data, "service": data["serviceName"]})
        if service is None:
            raise RuntimeError(f"the new service {data['serviceName']} is not there")
        service["availabilityZoneRebalancing"] = data.get("availabilityZoneRebalancing", "ENABLED")
        service["_monitoring"] = data.get("monitoring")
        begin(service, primary(service))
        cloud.kick()
        return module.json_response({"service": module._sanitize(service)})

    def update_service(data: Record) -> Any:
        _, service = found(data)
        if service is None:
            return missing()
        if service["status"] != "ACTIVE":
            return module.error_response_json("ServiceNotActiveException", "Service was not ACTIVE.", 400)
        try:
            config = deployment_configuration(
                data.get("deploymentConfiguration") or service["deploymentConfiguration"]
            )
            if data.get("loadBalancers") is not None or data.get("deploymentConfiguration"):
                balancers = data.get("loadBalancers")
                data["loadBalancers"] = load_balancers(
                    service["loadBalancers"] if balancers is None else balancers, config
                )
            strategy_problem(data.get("capacityProviderStrategy"))
        except RefusedError as exc:
            return refused(exc)
        data["deploymentConfiguration"] = config
        if data.get("monitoring") is not None:
            service["_monitoring"] = data["monitoring"]
        definition = service["taskDefinition"]
        if data.get("taskDefinition"):
            record = module._task_defs.get(module._resolve_td_key(data["taskDefinition"]))
            if record is None:
                return module.error_response_json("ClientException", "TaskDefinition not found.", 400)
            definition = record["taskDefinitionArn"]
        anew = bool(data.get("forceNewDeployment")) or definition != service["taskDefinition"]
        for key in (*_DEPLOYED, *_PLAIN):
            if data.get(key) is not None and data[key] != service.get(key):
                service[key] = data[key]
                anew = anew or key in _DEPLOYED
        if data.get("desiredCount") is not None:
            service["desiredCount"] = int(data["desiredCount"])
            primary(service).update(desiredCount=service["desiredCount"], updatedAt=now())
        service["taskDefinition"] = definition
        if anew:
            begin_again(service, definition)
        cloud.kick()
        return module.json_response({"service": module._sanitize(service)})

    def delete_service(data: Record) -> Any:
        _, service = found(data)
        if service is None:
            return missing()
        if service["status"] == "ACTIVE":
            if not data.get("force") and service["desiredCount"] > 0:
                return module.error_response_json(
                    "InvalidParameterException",
                    "The service cannot be stopped while it is scaled above 0.",
                    400,
                )
            service.update(status="DRAINING", desiredCount=0)
        cloud.kick()
        return module.json_response({"service": module._sanitize(service)})

    def run_task(data: Record) -> Any:
        cluster = module._clusters.get(module._resolve_cluster_name(data.get("cluster", "default")) or "")
        if cluster is None:
            return module.error_response_json("ClusterNotFoundException", "Cluster not found.", 400)
        definition = module._task_defs.get(module._resolve_td_key(data.get("taskDefinition", "")))
        if definition is None:
            return module.error_response_json("ClientException", "TaskDefinition not found.", 400)
        if str(data.get("group") or "").startswith("service:"):
            # Such a task would be taken for one of the service's own.
            return module.error_response_json(
                "InvalidParameterException", "Invalid namespace for group.", 400
            )
        launch_type, strategy, error = module._launch_choice(data, cluster)
        if error:
            return error
        try:
            strategy_problem(strategy)
        except RefusedError as exc:
            return refused(exc)
        providers: list[str | None] = []
        wanted = subnets(data.get("networkConfiguration"))
        places: list[str | None] = [*usable(wanted)]
        if wanted and not places:
            failure = {"arn": cluster["clusterArn"], "reason": NO_CAPACITY}
            return module.json_response({"tasks": [], "failures": [failure] * int(data.get("count") or 1)})
        places = places or [None]
        responses = emulator.module("core.responses")
        started = []
        for index in range(int(data.get("count") or 1)):
            providers.append(capacity.choose(strategy, providers) if strategy else None)
            task = new_task(
                definition,
                cluster,
                subnet=places[index % len(places)],
                group=data.get("group") or f"family:{definition['family']}",
                started_by=data.get("startedBy", ""),
                launch_type="FARGATE" if strategy else launch_type,
                provider=providers[-1],
                overrides=data.get("overrides"),
                execute_command=bool(data.get("enableExecuteCommand")),
                tags=data.get("tags"),
                platform_version=data.get("platformVersion", ""),
            )
            task["_order"] = time.monotonic_ns()
            module._tasks[task["taskArn"]] = task
            if data.get("tags"):
                module._tags[task["taskArn"]] = list(data["tags"])
            tasks.launch(task, definition, responses.get_account_id(), responses.get_region())
            started.append(module._sanitize(task))
        module._recount_cluster(cluster["clusterName"])
        return module.json_response({"tasks": started, "failures": []})

    def stop_task(data: Record) -> Any:
        cluster = module._resolve_cluster_name(data.get("cluster", "default"))
        task = module._resolve_task(data.get("task", ""), cluster)
        if not task:
            return module.error_response_json(
                "InvalidParameterException", "The referenced task was not found.", 400
            )
        tasks.stop(task, data.get("reason") or "Task stopped by user", "UserInitiated")
        return module.json_response({"task": module._sanitize(task)})

    def forget_old(data: Record) -> Any:
        forget_stopped()
        return list_tasks(data)

    list_tasks = module._list_tasks
    replaced = {
        "_create_service": create_service,
        "_update_service": update_service,
        "_delete_service": delete_service,
        "_run_task": run_task,
        "_stop_task": stop_task,
        "_list_tasks": forget_old,
    }
    for name, function in replaced.items():
        setattr(module, name, function)
        action = "".join(part.title() for part in name.split("_"))
        module._ACTION_MAP[action] = function
    module.run_reentrant = inline
    module._make_deployment = make_deployment
    module._get_docker = lambda: None
    module._maybe_mark_stopped = lambda *_: None
    module._reconcile_service_tasks = cloud.kick
    module._sync_service_targets = lambda *_: None
    module._refresh_service_state = lambda *_: None
