"""Stack events of an update: only what changes, under the status AWS gives it, deletions included.

MiniStack reports every resource of an updated stack as updated, new ones too, and removes old ones
silently. What an
operator reads to find out what happened should say what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localcloud import emulator, operations

_STACK = "AWS::CloudFormation::Stack"
_CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"


def _stacks() -> Any:
    return emulator.module("services.cloudformation.stacks")


def install(changed: Callable[[], None]) -> None:
    """Install the corrections; `changed` is called after each event."""
    stacks = _stacks()
    add, update, delete = stacks._add_event, stacks._update_resource, stacks._delete_resource

    def add_event(
        stack_id: str, stack_name: str, logical_id: str, resource_type: str, status: str, reason: str = "",
        physical_id: str = "", detailed_status: str = "",
    ) -> None:  # fmt: skip
        event = (
            stack_id,
            stack_name,
            logical_id,
            resource_type,
            status,
            reason,
            physical_id,
            detailed_status,
        )
        operation = operations.current_or_none()
        if operation is not None and operation.stack_id == stack_id:
            for one in _corrected(operation, event):
                add(*one)
        else:
            add(*event)
        changed()

    def update_resource(resource_type: str, physical_id: str, old: Any, new: Any, *rest: Any) -> Any:
        operation = operations.current_or_none()
        if operation is not None and old != new:
            operations.on_loop_or_here(lambda: _release(operation, add))
        return update(resource_type, physical_id, old, new, *rest)

    def delete_resource(
        resource_type: str, physical_id: str, properties: Any, stack_name: str, logical_id: str
    ) -> None:
        operation = operations.current_or_none()
        silent = operation is not None and operation.is_update and not operation.rolling_back
        if operation is None or not silent:
            delete(resource_type, physical_id, properties, stack_name, logical_id)
            return

        def event(status: str) -> None:
            add_event(operation.stack_id, stack_name, logical_id, resource_type, status, "", physical_id)

        def begin() -> None:
            _begin_cleanup(operation, add)
            event("DELETE_IN_PROGRESS")

        operations.on_loop_or_here(begin)
        # A failure is reported by the caller.
        delete(resource_type, physical_id, properties, stack_name, logical_id)
        operations.on_loop_or_here(lambda: event("DELETE_COMPLETE"))

    for module in (stacks, emulator.module("services.cloudformation.changesets"),
                   emulator.module("services.cloudformation.handlers")):  # fmt: skip
        module._add_event = add_event
    stacks._update_resource = update_resource
    stacks._delete_resource = delete_resource


Event = tuple[str, str, str, str, str, str, str, str]


def _corrected(operation: operations.Operation, event: Event) -> list[Event]:
    """The events to record in place of `event`."""
    stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detail = event
    if not operation.is_update or operation.rolling_back:
        return [event]
    if resource_type == _STACK and logical_id == stack_name:
        if status == "UPDATE_COMPLETE":
            return [*_cleanup_event(operation), event]
        return [event]
    if logical_id not in operation.previous:
        status = status.replace("UPDATE_", "CREATE_", 1)
        return [(stack_id, stack_name, logical_id, resource_type, status, reason, physical_id, detail)]
    if status == "UPDATE_IN_PROGRESS" and not reason:
        # Not known yet whether anything changes.
        operation.held = (*event[:6], operation.previous[logical_id], detail)
        return []
    held, operation.held = operation.held, None
    if status == "UPDATE_COMPLETE" and held is not None:
        return []
    return [held, event] if held is not None else [event]


def _release(operation: operations.Operation, add: Callable[..., None]) -> None:
    if operation.held is not None:
        held, operation.held = operation.held, None
        add(*held)


def _cleanup_event(operation: operations.Operation) -> list[Event]:
    if operation.cleaning_up:
        return []
    operation.cleaning_up = True
    return [
        (
            operation.stack_id,
            operation.stack_name,
            operation.stack_name,
            _STACK,
            _CLEANUP,
            "",
            operation.stack_id,
            "",
        )
    ]


def _begin_cleanup(operation: operations.Operation, add: Callable[..., None]) -> None:
    for event in _cleanup_event(operation):
        operation.stack["StackStatus"] = _CLEANUP
        add(*event)
