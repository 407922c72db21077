"""What Application Auto Scaling keeps: scalable targets, policies, scheduled actions, activities."""

from __future__ import annotations

from typing import Any

from localcloud import emulator

Record = dict[str, Any]

#: What names a target, a policy and a scheduled action in a request.
TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")
POLICY = (*TARGET, "PolicyName")
SCHEDULED = (*TARGET, "ScheduledActionName")


class ScalingError(Exception):
    """An error answer of the API; `code` is its exception name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Store:
    """Everything of every region; JSON as it stands, so it is saved as it stands.

    Members that begin with `_` are the local cloud's own and never shown.
    """

    def __init__(self) -> None:
        self.targets: dict[str, Record] = {}
        self.policies: dict[str, Record] = {}
        self.actions: dict[str, Record] = {}
        #: By the target's key, the newest first.
        self.activities: dict[str, list[Record]] = {}

    def state(self) -> Any:
        """What is saved."""
        return {
            "targets": self.targets, "policies": self.policies, "actions": self.actions,
            "activities": self.activities,
        }  # fmt: skip

    def load(self, saved: Any) -> None:
        """Take what was saved before; None when there is nothing."""
        saved = saved or {}
        self.targets, self.policies = saved.get("targets", {}), saved.get("policies", {})
        self.actions, self.activities = saved.get("actions", {}), saved.get("activities", {})

    def of_target(self, records: dict[str, Record], key: str) -> dict[str, Record]:
        """The policies or scheduled actions of one target, by their keys."""
        return {name: record for name, record in records.items() if name.startswith(f"{key}|")}


STORE = Store()


def region() -> str:
    """The region of the request."""
    found: str = emulator.module("core.responses").get_region()
    return found


def arn(kind: str, tail: str) -> str:
    """An ARN in the request's account and region."""
    return f"arn:aws:{kind}:{region()}:{emulator.module('core.responses').get_account_id()}:{tail}"


def key(request: Record, *names: str) -> str:
    """Under which name a record is kept. Raises ScalingError when the request lacks a part of it."""
    missing = [name for name in names if not request.get(name)]
    if missing:
        raise ScalingError("ValidationException", f"{', '.join(missing)} must not be null")
    return "|".join([region(), *(str(request[name]) for name in names)])


def where(target: Record) -> tuple[str, str]:
    """Account and region of a target."""
    parts = str(target["ScalableTargetARN"]).split(":")
    return parts[4], parts[3]


def public(record: Record) -> Record:
    """A record as it is described."""
    return {name: value for name, value in record.items() if not name.startswith("_")}


def not_found(what: str, request: Record) -> ScalingError:
    """The error for a record that is not there."""
    return ScalingError(
        "ObjectNotFoundException",
        f"No {what} found for service namespace: {request['ServiceNamespace']}, resource ID: "
        f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}",
    )
