"""What a change set would do, as rows: property by property, before and after, what is replaced and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stack.aws.changesets import ChangeSet
from stack.files.environment import Environment
from stack.files.parameters import HIDDEN
from stack.files.values import Side
from stack.review import replicas
from stack.scan.resolve import references

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

_REPLACEMENT = {"True": "yes", "False": "no", "Conditional": "may"}
UNKNOWN = "(known once applied)"
UNCHANGED = "unchanged"
_AWS_UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"


@dataclass
class Row:
    """One property of one resource, or a resource that comes or goes as a whole.

    `replacement` is yes, no or may; it and `policy_action` (Delete, Retain, Snapshot, ReplaceAndDelete,
    ReplaceAndRetain, ReplaceAndSnapshot or "") belong to the resource, as does `loses`: what of it an update
    deletes without replacing it, in words that its name follows, or "".
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
    loses: str = ""


@dataclass(frozen=True)
class Late:
    """A parameter of a later stack whose value is made by this very change, so that nobody knows it yet."""

    stack: str
    parameter: str
    source: str
    logical_id: str
    certain: bool

    @property
    def in_words(self) -> str:
        """A sentence without its full stop."""
        made = "is made anew" if self.certain else "may be made anew"
        return (
            f"{self.parameter} of {self.stack} is not known yet, as {self.source}.{self.logical_id} {made}; "
            f"{self.stack} needs a change of its own afterwards"
        )


def rows(change_set: ChangeSet, before: Side, after: Side, full: bool = False) -> list[Row]:
    """Turn a change set into rows. Values come from the change set, else from the templates' two sides.

    `full` adds the properties that stay as they are, and those of what is new or goes, as far as the change
    set holds them. What is made of a NoEcho parameter is hidden, whatever the endpoint says about it.
    """
    found: list[Row] = []
    for change in change_set.changes:
        resource = change.get("ResourceChange")
        if resource:
            own = _resource_rows(change_set.stack, resource, before, after)
            if full:
                own += _context_rows(resource, own)
                # What comes or goes is told by its properties now.
                own = [row for row in own if not row.property.startswith("(")] or own
            for row in own:
                _hide(row, before, after)
            found += own
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
        "loses": replicas.lost(resource),
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
                row.after = UNKNOWN
        if row.after is not None:
            row.after = row.after.replace(_AWS_UNKNOWN, UNKNOWN)
    if not merged:
        whole = {"Add": "(new)", "Remove": "(removed)"}.get(action, "")
        return [Row(property=whole, before=None, after=None, cause="template", **base)]
    return list(merged.values())


def _context_rows(resource: ResourceChangeTypeDef, own: Sequence[Row]) -> list[Row]:
    """Rows of the properties that `own` does not tell about."""
    old, new = _leaves(resource.get("BeforeContext")), _leaves(resource.get("AfterContext"))
    told = [row.property for row in own]
    found: list[Row] = []
    for name in dict.fromkeys([*old, *new]):
        if any(name == one or name.startswith(f"{one}.") or one.startswith(f"{name}.") for one in told):
            continue
        same = old.get(name) == new.get(name)
        cause = UNCHANGED if same else "template"
        found.append(Row(**{**asdict(own[0]), "property": name, "cause": cause, "before": old.get(name)}))
        after = new.get(name)
        found[-1].after = after.replace(_AWS_UNKNOWN, UNKNOWN) if after is not None else None
    return found


def _leaves(context: str | None) -> dict[str, str]:
    """Each property of a resource's context, by its path."""
    if not context:
        return {}
    return dict(_walk(json.loads(context).get("Properties") or {}, ""))


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from _walk(item, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _hide(row: Row, before: Side, after: Side) -> None:
    hidden = any(side.hides(row.logical_id, row.property) for side in (before, after))
    for name in ("before", "after"):
        value = getattr(row, name)
        if value is not None:
            shown = HIDDEN if hidden else after.without_secrets(before.without_secrets(value))
            setattr(row, name, shown)


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


def late(environment: Environment, found: Iterable[Row], after: Mapping[str, Side]) -> list[Late]:
    """Find what later stacks take from an output that refers to something this change makes anew.

    `after` holds how each changed stack would be.
    """
    anew = {
        (row.stack, row.logical_id): row.replacement != "may"
        for row in found
        if row.action == "Add" or row.replacement in ("yes", "may")
    }
    chosen: list[Late] = []
    for source, side in after.items():
        for output, declared in side.outputs.items():
            made = sorted(one for one in references(declared.get("Value")) if (source, one) in anew)
            for stack in environment.stacks[environment.stacks.index(source) + 1 :]:
                taken = output in environment.templates[stack].parameters
                if made and taken and output not in environment.parameters[stack]:
                    chosen.append(Late(stack, output, source, made[0], anew[source, made[0]]))
    return chosen


def mark(found: Iterable[Row], chosen: Sequence[Late], after: Mapping[str, Side]) -> None:
    """Write into the rows of later stacks which of their new values nobody knows yet."""
    for row in found:
        for one in chosen:
            if row.stack == one.stack and after[row.stack].uses(row.logical_id, row.property, one.parameter):
                row.after = UNKNOWN
                row.cause = f"{row.cause}, output of {one.source}"


def as_data(found: Iterable[Row]) -> list[Mapping[str, Any]]:
    """Turn rows into plain data for --json."""
    return [asdict(row) for row in found]
