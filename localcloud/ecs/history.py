"""Service deployments and service revisions: what became of each deployment, as AWS's API tells it."""

from __future__ import annotations

import copy
import time
import uuid
from typing import Any

from localcloud.ecs.records import Record, ecs

#: How many of a service's deployments are known, and how many ListServiceDeployments tells at once.
_KEPT, _PAGE = 30, 100


def _arn(service: Record, kind: str, identity: str) -> str:
    return f"{service['serviceArn'].replace(':service/', f':{kind}/')}/{identity}"


def begun(service: Record, deployment: Record) -> None:
    """Note a deployment that begins, and the revision it deploys."""
    moment = time.time()
    arn = _arn(service, "service-revision", deployment["id"].rpartition("/")[2])
    revision = {key: value for key, value in deployment["_revision"].items() if value}
    revision.update(
        serviceRevisionArn=arn,
        serviceArn=service["serviceArn"],
        clusterArn=service["clusterArn"],
        createdAt=moment,
    )
    if service.get("_monitoring"):
        revision["monitoring"] = service["_monitoring"]
    entry = {
        "serviceDeploymentArn": _arn(service, "service-deployment", uuid.uuid4().hex[:21]),
        "serviceArn": service["serviceArn"],
        "clusterArn": service["clusterArn"],
        "createdAt": moment,
        "startedAt": moment,
        "updatedAt": moment,
        "status": "IN_PROGRESS",
        "deploymentConfiguration": copy.deepcopy(deployment["_config"]),
        "_id": deployment["id"],
        "_source": deployment.get("_source"),
        "_revision": revision,
        "_watched": list(deployment["_alarms"]),
    }
    service["_history"] = [entry, *service.get("_history", [])][:_KEPT]
    service["currentServiceDeployment"] = entry["serviceDeploymentArn"]


def note(service: Record, deployment: Record, finished: bool = False, **members: Any) -> None:
    """Change what is known of a deployment; one that began before it was noted is passed over."""
    entry = _entry(service, deployment["id"])
    if entry is None:
        return
    moment = time.time()
    entry.update(members, updatedAt=moment)
    if finished:
        _note_images(entry)
        entry["finishedAt"] = moment
        if service.get("currentServiceDeployment") == entry["serviceDeploymentArn"]:
            del service["currentServiceDeployment"]


def _note_images(entry: Record) -> None:
    """Say which images a revision's containers have, with the digests that its tasks found."""
    revision, module = entry["_revision"], ecs()
    definition = module._task_defs.get(module._resolve_td_key(revision["taskDefinition"]))
    if definition is None:
        return
    known = {one["containerName"]: one["imageDigest"]
             for one in revision.get("containerImages", []) if "imageDigest" in one}  # fmt: skip
    for task in module._tasks.values():
        if task.get("_deployment_id") == entry["_id"]:
            known |= {one["name"]: one["imageDigest"] for one in task["containers"] if "imageDigest" in one}
    revision["containerImages"] = [
        {
            "containerName": one["name"],
            "image": one["image"],
            **({"imageDigest": digest} if (digest := _digest(one, known)) else {}),
        }
        for one in definition["containerDefinitions"]
    ]


def _digest(container: Record, known: dict[str, str]) -> str:
    return known.get(container["name"]) or str(container["image"]).partition("@")[2]


def rolling_back(service: Record, failed: Record, back: Record, reason: str) -> None:
    """A failed deployment is being undone."""
    to = _entry(service, back["id"])
    rollback: Record = {"reason": reason, "startedAt": time.time()}
    if to:
        rollback["serviceRevisionArn"] = to["_revision"]["serviceRevisionArn"]
    note(service, failed, status="ROLLBACK_IN_PROGRESS", statusReason=reason, rollback=rollback)


def _entry(service: Record, identity: str | None) -> Record | None:
    return next((entry for entry in service.get("_history", []) if entry["_id"] == identity), None)


def revision_arn(service: Record, identity: str | None) -> str:
    """The revision that a deployment deploys, "" when it is not known any more."""
    entry = _entry(service, identity)
    return str(entry["_revision"]["serviceRevisionArn"]) if entry else ""


def current_revisions(service: Record) -> list[Record]:
    """What DescribeServices says of the revisions that have, or are to have, tasks."""
    return [
        {
            "arn": arn,
            "requestedTaskCount": deployment["desiredCount"],
            "runningTaskCount": deployment["runningCount"],
            "pendingTaskCount": deployment["pendingCount"],
        }
        for deployment in service["deployments"]
        if (arn := revision_arn(service, deployment["id"]))
    ]


def _summary(service: Record, identity: str | None) -> Record | None:
    arn = revision_arn(service, identity)
    if not arn:
        return None
    live: Record = next((d for d in service["deployments"] if d["id"] == identity), {})
    return {
        "arn": arn,
        "requestedTaskCount": live.get("desiredCount", 0),
        "runningTaskCount": live.get("runningCount", 0),
        "pendingTaskCount": live.get("pendingCount", 0),
    }


def _described(service: Record, entry: Record) -> Record:
    """One service deployment in full."""
    live: Record = next((d for d in service["deployments"] if d["id"] == entry["_id"]), {})
    breaker = entry["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
    over = entry["status"] != "IN_PROGRESS"
    failing = entry.get("statusReason", "")
    found = {
        **entry,
        "targetServiceRevision": _summary(service, entry["_id"]),
        "sourceServiceRevisions": [s for s in [_summary(service, entry["_source"])] if s],
        "deploymentCircuitBreaker": {
            "status": _monitor(bool(breaker.get("enable")), "circuit breaker" in failing, over),
            "failureCount": live.get("failedTasks", 0),
            "threshold": live.get("_threshold", 0),
        },
        "alarms": {
            "status": _monitor(bool(entry["_watched"]), "alarm" in failing, over),
            "alarmNames": (entry["deploymentConfiguration"].get("alarms") or {}).get("alarmNames") or [],
            "triggeredAlarmNames": live.get("_triggered", []),
        },
    }
    return dict(ecs()._sanitize(found))


def _monitor(enabled: bool, triggered: bool, over: bool) -> str:
    if not enabled:
        return "DISABLED"
    return "TRIGGERED" if triggered else "MONITORING_COMPLETE" if over else "MONITORING"


def _brief(entry: Record) -> Record:
    names = (
        "serviceDeploymentArn", "serviceArn", "clusterArn", "startedAt", "createdAt", "finishedAt", "status",
        "statusReason",
    )  # fmt: skip
    brief = {name: entry[name] for name in names if name in entry}
    return {**brief, "targetServiceRevisionArn": entry["_revision"]["serviceRevisionArn"]}


def _page(found: list[Record], data: Record) -> Any:
    """A page of service deployments, newest first; its token names the last, as new ones come in front."""
    module = ecs()
    token, most = data.get("nextToken"), data.get("maxResults", _PAGE)
    if not 1 <= most <= _PAGE:
        return _refused(f"maxResults must be from 1 to {_PAGE}.")
    if token is not None:
        arns = [one["serviceDeploymentArn"] for one in found]
        if token not in arns:
            return _refused("Invalid token.")
        found = found[arns.index(token) + 1 :]
    page: Record = {"serviceDeployments": found[:most]}
    if len(found) > most:
        page["nextToken"] = page["serviceDeployments"][-1]["serviceDeploymentArn"]
    return module.json_response(page)


def _refused(why: str) -> Any:
    return ecs().error_response_json("InvalidParameterException", why, 400)


def install() -> None:
    """Answer for service deployments and revisions in MiniStack's place."""
    module = ecs()

    def entries() -> list[tuple[Record, Record]]:
        return [(s, e) for s in module._services.values() for e in s.get("_history", [])]

    def listing(data: Record) -> Any:
        cluster = module._resolve_cluster_name(data.get("cluster", "default")) or ""
        name = (module._resolve_service_ref(data.get("service", "")) or ("",))[0]
        service = module._services.get(f"{cluster}/{name}")
        if service is None:
            return module.error_response_json("ServiceNotFoundException", "Service not found.", 400)
        wanted = data.get("status") or []
        found = [_brief(e) for e in service.get("_history", []) if not wanted or e["status"] in wanted]
        return _page(found, data)

    def describing(data: Record) -> Any:
        known = {e["serviceDeploymentArn"]: (s, e) for s, e in entries()}
        return _answer(data.get("serviceDeploymentArns") or [], "serviceDeployments",
                       {arn: _described(*pair) for arn, pair in known.items()})  # fmt: skip

    def describing_revisions(data: Record) -> Any:
        known = {}
        for _, entry in entries():
            _note_images(entry)
            known[entry["_revision"]["serviceRevisionArn"]] = entry["_revision"]
        return _answer(data.get("serviceRevisionArns") or [], "serviceRevisions", known)

    def _answer(arns: list[str], member: str, known: dict[str, Record]) -> Any:
        found = [known[arn] for arn in arns if arn in known]
        failures = [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known]
        return module.json_response({member: found, "failures": failures})

    module._ACTION_MAP.update(
        ListServiceDeployments=listing,
        DescribeServiceDeployments=describing,
        DescribeServiceRevisions=describing_revisions,
    )
