"""Change sets: what would change, whether that replaces anything, and every value before and after."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from localcloud import emulator, schemas

#: What AWS writes for a value that only the deployment can tell.
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"

Tree = dict[str, Any]


def _cfn(name: str) -> Any:
    return emulator.module(f"services.cloudformation.{name}")


def install() -> None:
    """Install the corrections."""
    provisioners, stacks, changesets = _cfn("provisioners"), _cfn("stacks"), _cfn("changesets")
    recreation = provisioners._property_recreation

    def from_schema(resource_type: str, name: str) -> str:
        found: str = schemas.recreation(resource_type, name) or recreation(resource_type, name)
        return found

    # One of them decides what an update does, the other what a change set says: they must agree.
    provisioners._property_recreation = from_schema
    stacks._property_recreation = from_schema

    changesets._resolve_props_for_diff = resolved
    diff = changesets._diff_resources

    def diff_with_values(old: Tree, new: Tree, *rest: Any) -> list[Tree]:
        found: list[Tree] = diff(old, new, *rest)
        unknown = {
            change["ResourceChange"]["LogicalResourceId"]
            for change in found
            if change["ResourceChange"]["Action"] == "Add"
            or change["ResourceChange"].get("Replacement") == "True"
        }
        template = rest[1] if len(rest) > 1 else new
        for change in found:
            _add_values(change["ResourceChange"], old, new, template or new, unknown)
        return found

    changesets._diff_resources = diff_with_values

    handlers = _cfn("handlers")
    create = handlers._ACTION_HANDLERS["CreateChangeSet"]

    def create_with_outputs(params: Tree) -> Any:
        if _one(params, "ChangeSetType") == "UPDATE" and (
            refusal := _not_updatable(_one(params, "StackName"))
        ):
            return _cfn("helpers")._error("ValidationError", refusal)
        answer = create(params)
        if answer[0] == 200:
            names = _one(params, "ChangeSetName"), _one(params, "StackName")
            _allow_outputs_alone(changesets._find_change_set(*names)[1])
        return answer

    handlers._ACTION_HANDLERS["CreateChangeSet"] = create_with_outputs
    describe = handlers._ACTION_HANDLERS["DescribeChangeSet"]

    def describe_with_values(params: Tree) -> Any:
        status, headers, body = describe(params)
        if status == 200:
            _, change_set = changesets._find_change_set(
                _one(params, "ChangeSetName"), _one(params, "StackName")
            )
            with_values = _one(params, "IncludePropertyValues").lower() == "true"
            body = _described(body, change_set, with_values)
        return status, headers, body

    handlers._ACTION_HANDLERS["DescribeChangeSet"] = describe_with_values


def _not_updatable(stack_name: str) -> str | None:
    """Why AWS refuses an update of a stack that can only be deleted, None where it can be updated."""
    stacks = emulator.module("services.cloudformation")._stacks.values()
    stack = next((s for s in stacks if stack_name in (s["StackName"], s["StackId"])), None)
    if stack is None or stack["StackStatus"] not in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        return None
    return f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."


def _allow_outputs_alone(change_set: Tree) -> None:
    """What changes nothing but outputs lists no changes, and can be executed all the same."""
    stack = emulator.module("services.cloudformation")._stacks.get(change_set["StackName"]) or {}
    if change_set["ChangeSetType"] != "UPDATE" or "didn't contain changes" not in change_set["StatusReason"]:
        return
    template, parameters = change_set["_template"], change_set["_resolved_params"]
    try:
        outputs, _ = _cfn("stacks")._resolve_stack_outputs(
            template.get("Outputs", {}), _cfn("engine")._evaluate_conditions(template, parameters),
            stack.get("_resources", {}), parameters, template.get("Mappings", {}), change_set["StackName"],
            change_set["StackId"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        # Executing it tells what is wrong, as on AWS.
        outputs = None
    if outputs != stack.get("Outputs"):
        change_set.update(Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason="")


def _one(params: Tree, name: str) -> str:
    value = params.get(name) or [""]
    return str(value[0] if isinstance(value, list) else value)


def resolved(template: Tree, parameters: Tree, stack_name: str, stack_id: str) -> Tree:
    """The resources that exist under these parameters, with every property resolved as far as it can be.

    A resource whose condition is false is not there. A property that refers to something not created yet
    keeps its
    references, which then differ from any value.
    """
    if not template:
        return {}
    engine = _cfn("engine")
    conditions = engine._evaluate_conditions(template, parameters)
    stack = emulator.module("services.cloudformation")._stacks.get(stack_name) or {}
    there = stack.get("_resources", {})
    out = {}
    for name, resource in template.get("Resources", {}).items():
        condition = resource.get("Condition")
        if condition and not conditions.get(condition, True):
            continue
        properties = {}
        for key, value in (resource.get("Properties") or {}).items():
            try:
                result = engine._resolve_refs(
                    copy.deepcopy(value), there, parameters, conditions, template.get("Mappings", {}),
                    stack_name, stack_id,
                )  # fmt: skip
            except (ValueError, KeyError, TypeError):
                result = value
            if result is not engine._NO_VALUE:
                properties[key] = result
        out[name] = {**resource, "Properties": schemas.coerced(resource.get("Type", ""), properties)}
    return {"Resources": out}


def _add_values(change: Tree, old: Tree, new: Tree, template: Tree, unknown: set[str]) -> None:
    """Put `BeforeContext`, `AfterContext` and a value before and after each changed place into a change."""
    name = change["LogicalResourceId"]
    before = (old.get("Resources") or {}).get(name)
    after = (new.get("Resources") or {}).get(name)
    raw = ((template.get("Resources") or {}).get(name) or {}).get("Properties") or {}
    if before is not None:
        change["BeforeContext"] = _context(before)
    if after is not None:
        after = {**after, "Properties": _with_unknown(raw, after.get("Properties") or {}, unknown)}
        change["AfterContext"] = _context(after)
    if before is None or after is None:
        return
    details = []
    for detail in change.get("Details", []):
        target = detail["Target"]
        if target["Attribute"] != "Properties":
            details.append(detail)
            continue
        property_name = target["Name"]
        missing = object()
        places = list(
            _differences(
                before["Properties"].get(property_name, missing),
                after["Properties"].get(property_name, missing),
                f"/Properties/{property_name}",
                missing,
            )
        )
        for path, left, right in places:
            values = {"Path": path}
            if left is not missing:
                values["BeforeValue"] = _text(left)
            if right is not missing:
                values["AfterValue"] = _text(right)
            kind = "Add" if left is missing else "Remove" if right is missing else "Modify"
            details.append({**detail, "Target": {**target, **values, "AttributeChangeType": kind}})
        if not places:
            details.append(detail)
    change["Details"] = details


def _context(resource: Tree) -> str:
    shown = {
        key: resource[key]
        for key in ("Properties", "Metadata", "DeletionPolicy", "UpdateReplacePolicy")
        if key in resource
    }
    return json.dumps(shown, default=str)


def _with_unknown(raw: Any, value: Any, unknown: set[str]) -> Any:
    """`value` with everything that refers to a resource yet to be made replaced by UNKNOWN."""
    if isinstance(raw, dict) and len(raw) == 1:
        function = next(iter(raw))
        if function == "Ref" or function.startswith("Fn::"):
            references = {name for name, _ in _cfn("engine")._intrinsic_references(raw)}
            return UNKNOWN if references & unknown or _still_a_function(value) else value
    if isinstance(raw, dict) and isinstance(value, dict):
        return {key: _with_unknown(raw.get(key, inner), inner, unknown) for key, inner in value.items()}
    if isinstance(raw, list) and isinstance(value, list) and len(raw) == len(value):
        return [_with_unknown(left, right, unknown) for left, right in zip(raw, value, strict=True)]
    return value


def _still_a_function(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def _differences(left: Any, right: Any, path: str, missing: object) -> Iterator[tuple[str, Any, Any]]:
    if left is not missing and right is not missing:
        if isinstance(left, dict) and isinstance(right, dict):
            for key in sorted(left.keys() | right.keys()):
                yield from _differences(
                    left.get(key, missing), right.get(key, missing), f"{path}/{key}", missing
                )
            return
        if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            for index, (one, other) in enumerate(zip(left, right, strict=True)):
                yield from _differences(one, other, f"{path}/{index}", missing)
            return
    if left != right:
        yield path, left, right


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _described(body: bytes, change_set: Tree, with_values: bool) -> bytes:
    """DescribeChangeSet's answer with the members MiniStack leaves out."""
    root = ET.fromstring(body)  # noqa: S314 - our own process wrote it
    space = root.tag.partition("}")[0] + "}"
    ET.register_namespace("", space[1:-1])
    members = root.findall(f".//{space}Changes/{space}member/{space}ResourceChange")
    for element, change in zip(members, change_set["Changes"], strict=True):
        resource = change["ResourceChange"]
        if with_values:
            for name in ("BeforeContext", "AfterContext"):
                if name in resource:
                    ET.SubElement(element, space + name).text = resource[name]
        targets = element.findall(f"{space}Details/{space}member/{space}Target")
        for target, detail in zip(targets, resource.get("Details", []), strict=True):
            names = ("Path", "BeforeValue", "AfterValue", "AttributeChangeType") if with_values else ()
            for name in names:
                if name in detail["Target"]:
                    ET.SubElement(target, space + name).text = detail["Target"][name]
        if not with_values:
            _drop_repeated_details(element, space)
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root)


def _drop_repeated_details(element: ET.Element, space: str) -> None:
    """Without values, the details of one property that differ only in their place are the same."""
    details = element.find(f"{space}Details")
    seen: set[bytes] = set()
    for member in list(details if details is not None else ()):
        text = ET.tostring(member)
        if text in seen and details is not None:
            details.remove(member)
        seen.add(text)
