"""ECS tasks as targets: RunTask with the overrides of the event's payload."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud import emulator
from localcloud.events.errors import DeliveryError

#: A schedule that is faster than its tasks must not fill the machine: so many of a rule at a time.
MOST = 10

#: What of a payload overrides a task definition.
_OVERRIDES = ("containerOverrides", "cpu", "memory", "taskRoleArn", "executionRoleArn", "ephemeralStorage")


def normalised(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """EcsParameters in the API's words, of which a template has some in its own."""
    found = {**parameters}
    network = found.get("NetworkConfiguration") or {}
    if own := network.get("AwsVpcConfiguration"):
        found["NetworkConfiguration"] = {"awsvpcConfiguration": own}
    if strategy := found.get("CapacityProviderStrategy"):
        found["CapacityProviderStrategy"] = [_lowered(item) for item in strategy]
    if "TagList" in found:
        found["Tags"] = found.pop("TagList")
    return found


def _lowered(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: value for name, value in members.items()}


def problem(target: Mapping[str, Any]) -> str:
    """Why an ECS target is refused, "" when it is not."""
    parameters = normalised(target.get("EcsParameters") or {})
    if not str(target["Arn"]).partition(":cluster/")[2]:
        return f"Target {target.get('Id')}: {target['Arn']} is not a cluster."
    if not target.get("RoleArn"):
        return f"RoleArn is required for target {target['Arn']}."
    if not parameters.get("TaskDefinitionArn"):
        return f"Target {target.get('Id')}: EcsParameters needs a TaskDefinitionArn."
    network = (parameters.get("NetworkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if parameters.get("LaunchType") == "FARGATE" and not network.get("Subnets"):
        return f"Target {target.get('Id')}: FARGATE needs a NetworkConfiguration with Subnets."
    if not 1 <= int(parameters.get("TaskCount") or 1) <= 10:
        return f"Target {target.get('Id')}: TaskCount must be from 1 to 10."
    return ""


def run(target: Mapping[str, Any], rule: Mapping[str, Any], text: str) -> None:
    """Run the target's tasks. Raises DeliveryError."""
    parameters = target["EcsParameters"]
    started_by = f"events-rule/{rule['Name']}"
    ecs = emulator.module("services.ecs")
    running = [
        t for t in ecs._tasks.values() if t["startedBy"] == started_by and t["lastStatus"] != "STOPPED"
    ]
    count = int(parameters.get("TaskCount") or 1)
    if len(running) + count > MOST:
        raise DeliveryError("THROTTLING", f"{len(running)} tasks of the rule still run; {MOST} may at a time")
    network = (parameters.get("NetworkConfiguration") or {}).get("awsvpcConfiguration")
    plain = ("LaunchType", "PlatformVersion", "Group", "EnableExecuteCommand", "CapacityProviderStrategy")
    request = {
        "cluster": target["Arn"],
        "taskDefinition": parameters["TaskDefinitionArn"],
        "count": count,
        "startedBy": started_by,
        "overrides": _overrides(text),
        **_lowered({name: parameters[name] for name in plain if parameters.get(name)}),
    }
    if network:
        request["networkConfiguration"] = {"awsvpcConfiguration": _lowered(network)}
    if tags := parameters.get("Tags"):
        request["tags"] = [_lowered(tag) for tag in tags]
    status, _, body = ecs._run_task(request)
    answer = json.loads(body)
    if status >= 400:
        raise DeliveryError("SDK_CLIENT_ERROR", f"RunTask: {answer.get('message')}")
    if failures := answer.get("failures"):
        raise DeliveryError("SDK_CLIENT_ERROR", f"RunTask: {failures[0].get('reason')}")


def _overrides(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    given = found if isinstance(found, dict) else {}
    return {"containerOverrides": [], **{name: given[name] for name in _OVERRIDES if name in given}}
