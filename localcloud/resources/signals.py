"""Application Signals: service level objectives."""

from __future__ import annotations

from typing import Any

from localcloud.resources.base import Made, Properties, Provisioner
from localcloud.signals import objectives


def _request(properties: Properties) -> dict[str, Any]:
    """The API's request that a template's properties describe. Raises ValueError."""
    if properties.get("ExclusionWindows"):
        raise ValueError("the local cloud has no ExclusionWindows")
    plain = ("Name", "Description", "Goal", "BurnRateConfigurations", "Tags")
    request = {name: properties[name] for name in plain if name in properties}
    if sli := properties.get("Sli"):
        request["SliConfig"] = {**sli, "SliMetricConfig": sli["SliMetric"]}
    if sli := properties.get("RequestBasedSli"):
        metric = sli["RequestBasedSliMetric"]
        request["RequestBasedSliConfig"] = {**sli, "RequestBasedSliMetricConfig": metric}
    return request


def _made(objective: objectives.Objective) -> Made:
    names = ("Arn", "CreatedTime", "LastUpdatedTime", "EvaluationType")
    return objective["Arn"], {name: objective[name] for name in names}


def _create(logical_id: str, properties: Properties, stack_name: str) -> Made:
    del logical_id, stack_name
    return _made(objectives.create(_request(properties)))


def _update(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Made:
    del old, stack_name
    # What the template leaves out goes back to its default.
    empty: dict[str, Any] = {"Description": None, "Goal": None, "BurnRateConfigurations": None}
    made = objectives.update(physical_id, {**empty, **_request(new)})
    objectives.TAGS[physical_id] = {tag["Key"]: tag["Value"] for tag in new.get("Tags") or []}
    return _made(made)


def _delete(physical_id: str, properties: Properties) -> None:
    del properties
    if physical_id in objectives.OBJECTIVES:
        objectives.delete(physical_id)


PROVISIONERS = {
    "AWS::ApplicationSignals::ServiceLevelObjective": Provisioner(_create, _update, _delete, tagged=True)
}
