"""The default bus of each region: what AWS's services tell it."""

from __future__ import annotations

import json
import uuid
from typing import Any

from localcloud import emulator


def publish(source: str, kind: str, resource: str, detail: dict[str, Any]) -> None:
    """Put an event of a service on the default bus where the resource is. On the event loop's thread.

    `kind` is its detail type, `resource` an ARN.
    """
    eventbridge, responses = emulator.module("services.eventbridge"), emulator.module("core.responses")
    _, _, _, region, account, _ = resource.split(":", 5)
    with responses.request_scope(account, region):
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": source,
            "DetailType": kind,
            "Detail": json.dumps(detail, default=str),
            "EventBusName": "default",
            "Time": int(eventbridge._now_ts()),
            "Resources": [resource],
            "Account": account,
            "Region": region,
        }
        dispatch(event)


def dispatch(event: dict[str, Any]) -> None:
    """Bring an event to every rule that matches it, and to archives. The region must be set."""
    eventbridge = emulator.module("services.eventbridge")
    view = eventbridge._pattern_event_view(event)
    eventbridge._dispatch_event(event, view)
    eventbridge._archive_event(event, view)
