"""Why CloudFormation refuses a change set: its own reason, and what its early validation and hooks found.

A change set's status reason only says that a validation failed. DescribeEvents says which property of which
resource, and why ("Validate stack deployments", CloudFormation user guide). An endpoint that lacks it leaves
the status reason.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from stack.aws.changesets import ChangeSet
from stack.aws.clients import Cloud

# What endpoints answer to an operation that they do not know.
_UNKNOWN = {
    "InvalidAction", "InvalidActionException", "InternalFailure", "NotImplemented", "UnknownOperation",
    "UnknownOperationException", "UnsupportedOperation",
}  # fmt: skip


def told(cloud: Cloud, change_set: ChangeSet) -> str:
    """The change set's reason, with a line behind it for each finding there is."""
    return "\n".join([change_set.reason, *(f"  {line}" for line in _findings(cloud, change_set))])


def _findings(cloud: Cloud, change_set: ChangeSet) -> list[str]:
    pages = cloud.of(change_set.stack).cloudformation.get_paginator("describe_events")
    try:
        events = [
            event
            for page in pages.paginate(ChangeSetName=change_set.id, Filters={"FailedEvents": True})
            for event in page.get("OperationEvents", [])
        ]
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in _UNKNOWN:
            return []
        if code in ("AccessDenied", "AccessDeniedException"):
            return ["More is told to credentials that may call cloudformation:DescribeEvents."]
        raise
    # The same finding may be told of each attempt.
    return list(dict.fromkeys(line for event in events if (line := _line(event))))


def _line(event: Any) -> str:
    """One event as a line: where, and what is wrong there; "" for events that say neither."""
    why = (
        event.get("ValidationStatusReason")
        or event.get("HookStatusReason")
        or event.get("ResourceStatusReason", "")
    )
    if not why:
        return ""
    where = ": ".join(filter(None, [event.get("LogicalResourceId"), event.get("ValidationPath")]))
    by = event.get("HookType") or event.get("ValidationName")
    return f"{where}: {why}" + (f" ({by})" if by else "") if where else why
