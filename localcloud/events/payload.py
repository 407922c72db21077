"""What a target gets of an event: all of it, a part, a constant, or what a template makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud import emulator

_STEP = re.compile(r"\.(?P<name>[\w-]+)|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<quoted>[^'\"]+)(?P=quote)\]")
_MISSING = object()


class PathError(ValueError):
    """A JSON path that EventBridge does not take."""


def steps(path: str) -> list[str | int]:
    """The names and indexes of a path such as `$.detail.containers[0].name`. Raises PathError."""
    if not path.startswith("$"):
        raise PathError(f"{path} is no JSON path: it begins with $")
    found: list[str | int] = []
    at = 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise PathError(f"{path} is no JSON path that EventBridge takes, from {path[at:]} on")
        found.append(int(step["index"]) if step["index"] else step["name"] or step["quoted"])
        at = step.end()
    return found


def _value(event: Any, path: str) -> Any:
    for step in steps(path):
        try:
            event = event[step]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return event


def of(target: Mapping[str, Any], rule: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """The text that a target gets of an event."""
    if target.get("Input"):
        return str(target["Input"])
    if path := target.get("InputPath"):
        part = _value(event, path)
        return json.dumps(event if part is _MISSING else part)
    if transformer := target.get("InputTransformer"):
        return _transformed(transformer, rule, event)
    return json.dumps(event)


def _transformed(transformer: Mapping[str, Any], rule: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    values: dict[str, Any] = {
        "aws.events.event.json": event,
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.rule-name": rule["Name"],
        "aws.events.rule-arn": rule["Arn"],
        "aws.events.event.ingestion-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        value = _value(event, path)
        values.setdefault(name, "" if value is _MISSING else value)
    text = emulator.module("services.eventbridge")._render_input_template(
        transformer.get("InputTemplate", ""), values
    )
    try:
        rendered = json.loads(text)
    except ValueError:
        return str(text)
    # A template that is one quoted string stands for what is in the quotes.
    return rendered if isinstance(rendered, str) else str(text)
