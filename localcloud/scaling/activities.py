"""Scaling activities: what was done, or not done, to a scalable target, and why, in AWS's words."""

from __future__ import annotations

import time
import uuid
from typing import Any

from localcloud import speed
from localcloud.scaling.records import STORE, TARGET, Record

#: AWS keeps six weeks.
_KEPT_SECONDS = 42 * 86400.0
_KEPT = 200


def _add(key: str, description: str, cause: str, status: str, **more: Any) -> Record:
    target = STORE.targets[key]
    activity = {
        "ActivityId": str(uuid.uuid4()), **{name: target[name] for name in TARGET},
        "Description": description, "Cause": cause, "StartTime": time.time(), "StatusCode": status, **more,
    }  # fmt: skip
    oldest = time.time() - _KEPT_SECONDS
    kept = [found for found in STORE.activities.get(key, []) if found["StartTime"] > oldest]
    STORE.activities[key] = [activity, *kept][:_KEPT]
    return activity


def setting(key: str, count: int, cause: str, change: Record | None = None) -> None:
    """The desired count was set; `change` is what `scaled_out` and `scaled_in` ask for of a policy's."""
    for activity in STORE.activities.get(key, []):
        if activity["StatusCode"] == "InProgress":
            _end(activity, "Overridden", "A newer scaling activity took its place.")
    _add(
        key, f"Setting desired count to {count}.", cause, "InProgress",
        StatusMessage=f"Successfully set desired count to {count}. Waiting for change to be fulfilled by "
                      "ecs.",
        _count=count, _change=change,
    )  # fmt: skip


def change(policy: str, before: int, count: int, cooldown: float) -> Record:
    """What is kept of a policy's change of the desired count; `cooldown` in AWS's seconds."""
    return {"policy": policy, "base": before, "out": count > before, "cooldown": cooldown}


def scaled_out(key: str, policy: str) -> Record | None:
    """The last change by which a policy scaled out, while its cooldown lasts."""
    changes = (a for a in STORE.activities.get(key, []) if a.get("_change"))
    found = next((a for a in changes if a["_change"]["policy"] == policy and a["_change"]["out"]), None)
    return found["_change"] if found and _cooling(found) else None


def scaled_in(key: str) -> bool:
    """Whether the cooldown of a scale-in lasts; a scale-out ends it."""
    found = next((a for a in STORE.activities.get(key, []) if a.get("_change")), None)
    return found is not None and not found["_change"]["out"] and _cooling(found)


def _cooling(activity: Record) -> bool:
    """A cooldown lasts from the start of its activity until so long after the service has followed."""
    end = activity.get("EndTime")
    return end is None or time.time() < end + activity["_change"]["cooldown"] / speed.factor()


def bounds(key: str, name: str, least: int, most: int) -> None:
    """A scheduled action changed the bounds."""
    what = f"min capacity to {least} and max capacity to {most}"
    _add(
        key, f"Setting {what}", f"scheduled action name {name} was triggered", "Successful",
        EndTime=time.time(), StatusMessage=f"Successfully set {what}",
    )  # fmt: skip


def failed(key: str, description: str, cause: str, message: str) -> None:
    """Something could not be done."""
    _add(key, description, cause, "Failed", EndTime=time.time(), StatusMessage=message)


def not_scaled(key: str, cause: str, code: str, capacity: int) -> None:
    """An alarm asked for what could not be; told once as long as nothing else happens."""
    before = STORE.activities.get(key, [])
    if before and [reason["Code"] for reason in before[0].get("NotScaledReasons", [])] == [code]:
        return
    names = {"AlreadyAtMaxCapacity": "MaxCapacity", "AlreadyAtMinCapacity": "MinCapacity"}
    reason = {"Code": code, names.get(code, "CurrentCapacity"): capacity}
    _add(
        key, "Attempting to scale due to alarm triggered", cause, "Failed",
        EndTime=time.time(), NotScaledReasons=[reason],
    )  # fmt: skip


def settle(key: str, service: Record | None) -> bool:
    """Close the activity that the service has fulfilled; whether there was one."""
    activity = next((a for a in STORE.activities.get(key, []) if a["StatusCode"] == "InProgress"), None)
    if activity is None:
        return False
    count = activity["_count"]
    if service is None or service["status"] != "ACTIVE":
        _end(activity, "Unfulfilled", f"The service is gone before it had {count} tasks.")
    elif service["runningCount"] == count == service["desiredCount"]:
        done = f"Successfully set desired count to {count}. Change successfully fulfilled by ecs."
        _end(activity, "Successful", done)
    elif service["desiredCount"] != count:
        _end(activity, "Overridden", f"The desired count was set to {service['desiredCount']} meanwhile.")
    else:
        return False
    return True


def _end(activity: Record, status: str, message: str) -> None:
    activity.update(StatusCode=status, StatusMessage=message, EndTime=time.time())
