"""Replicas of a global table: an update that takes one out of the list deletes it, with all its items."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

_TYPE = "AWS::DynamoDB::GlobalTable"


def lost(resource: ResourceChangeTypeDef) -> str:
    """Say which replicas a change deletes: "deletes the replica in us-west-2 of", "" for none.

    Where an endpoint does not tell how the table is and would be, a change of its replicas may delete some.
    """
    if resource.get("ResourceType") != _TYPE or resource.get("Action") != "Modify":
        return ""
    before, after = (_regions(resource.get(side)) for side in ("BeforeContext", "AfterContext"))
    if before is None or after is None:
        names = [one.get("Target", {}).get("Name") for one in resource.get("Details", [])]
        return "may delete replicas of" if "Replicas" in names else ""
    gone = [region for region in before if region not in after]
    if not gone:
        return ""
    return f"deletes the replica{'s' if len(gone) > 1 else ''} in {', '.join(gone)} of"


def _regions(context: Any) -> Sequence[str] | None:
    """The regions of a table's replicas, None where the change set has no properties."""
    properties: Mapping[str, Any] = json.loads(context or "{}").get("Properties") or {}
    if "Replicas" not in properties:
        return None
    return [str(replica["Region"]) for replica in properties["Replicas"]]
