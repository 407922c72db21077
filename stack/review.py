"""What a change set would do, as rows: property by property, before and after, what is replaced and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from stack.changesets import ChangeSet
from stack.terminal import Terminal
from stack.values import Side

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

_REPLACEMENT = {"True": "yes", "False": "no", "Conditional": "may"}
_LONGEST = 300
_UNKNOWN = "(known once applied)"
_AWS_UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"


@dataclass
class Row:
    """One changed property of one resource, or a resource that comes or goes as a whole.

    `replacement` is yes, no or may, and belongs to the resource.
    """

    stack: str
    action: str
    logical_id: str
    type: str
    property: str
    before: str | None
    after: str | None
    replacement: str
    cause: str
    policy_action: str


def rows(change_set: ChangeSet, before: Side, after: Side) -> list[Row]:
    """Turn a change set into rows. Values come from the change set, else from the templates' two sides."""
    found: list[Row] = []
    for change in change_set.changes:
        resource = change.get("ResourceChange")
        if resource:
            found += _resource_rows(change_set.stack, resource, before, after)
    return found


def _resource_rows(stack: str, resource: ResourceChangeTypeDef, before: Side, after: Side) -> list[Row]:
    logical_id = resource.get("LogicalResourceId", "")
    action = resource.get("Action", "")
    base: dict[str, Any] = {
        "stack": stack,
        "action": action,
        "logical_id": logical_id,
        "type": resource.get("ResourceType", ""),
        "replacement": _REPLACEMENT.get(resource.get("Replacement", ""), "no"),
        "policy_action": resource.get("PolicyAction", ""),
    }
    merged: dict[str, Row] = {}
    for detail in resource.get("Details", []):
        target = detail.get("Target", {})
        attribute = target.get("Attribute", "")
        name = target.get("Path", "").removeprefix("/Properties/").strip("/").replace("/", ".")
        name = name or target.get("Name", "") or attribute
        cause = _cause(detail.get("ChangeSource", ""), detail.get("CausingEntity", ""))
        row = merged.get(name)
        if row is None:
            row = merged[name] = Row(property=name, before=None, after=None, cause=cause, **base)
        elif cause and cause not in row.cause:
            # A parameter or resource explains more than the bare "the template changed".
            parts = [part for part in (row.cause, cause) if part and part != "template"]
            row.cause = ", ".join(parts)
        row.before = target.get("BeforeValue", row.before)
        row.after = target.get("AfterValue", row.after)
        if attribute == "Properties" and row.before is None and row.after is None:
            row.before, row.after = before.value(logical_id, name), after.value(logical_id, name)
            if row.before is not None and row.before == row.after:
                # Both say the same `!Ref`: what differs is what it will stand for.
                row.after = _UNKNOWN
        if row.after == _AWS_UNKNOWN:
            row.after = _UNKNOWN
    if not merged:
        whole = {"Add": "(new)", "Remove": "(removed)"}.get(action, "")
        return [Row(property=whole, before=None, after=None, cause="template", **base)]
    return list(merged.values())


def _cause(source: str, entity: str) -> str:
    words = {
        "DirectModification": "template",
        "ParameterReference": f"parameter {entity}",
        "ResourceReference": f"resource {entity}",
        "ResourceAttribute": f"resource {entity}",
        "Automatic": "automatic",
        "NoModification": "none",
    }
    return words.get(source, source)


def as_data(found: Iterable[Row]) -> list[Mapping[str, Any]]:
    """Turn rows into plain data for --json."""
    return [asdict(row) for row in found]


def _short(value: str | None) -> str:
    if value is None:
        return ""
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}... ({len(value)} characters)"


def show(terminal: Terminal, found: list[Row]) -> None:
    """Print the table."""
    table = Table(show_lines=False, pad_edge=False)
    for heading in ("Stack", "Action", "Resource", "Property", "Before -> after", "Replaced", "Cause"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("Stack", "Action", "Replaced"))
    previous = ("", "")
    for row in found:
        first = (row.stack, row.logical_id) != previous
        previous = (row.stack, row.logical_id)
        values = f"{_short(row.before)} -> {_short(row.after)}" if row.before or row.after else ""
        policy = f" ({row.policy_action})" if row.policy_action else ""
        style = "red" if row.action == "Remove" or row.replacement != "no" else ""
        table.add_row(
            row.stack if first else "",
            row.action + policy if first else "",
            f"{row.logical_id}\n{row.type}" if first else "",
            row.property,
            values,
            row.replacement if first else "",
            row.cause,
            style=style,
        )
    terminal.table(table)
