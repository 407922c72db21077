"""Deploying a stack: waiting for services, what a failure leaves and says, and operations left open."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from localcloud import emulator, operations

log = logging.getLogger("localcloud.stacks")

Tree = dict[str, Any]


def _cfn(name: str) -> Any:
    return emulator.module(f"services.cloudformation.{name}")


#: Types whose handlers wait, and so run on threads of their own.
WAITING = frozenset({"AWS::ECS::Service"})


def install(changed: Callable[[], None]) -> None:
    """Install the corrections; `changed` is called after each stack event."""
    stacks, changesets, handlers = _cfn("stacks"), _cfn("changesets"), _cfn("handlers")
    on_thread, sends_back = stacks._runs_on_worker_thread, stacks._sends_back_failed_update
    stacks._runs_on_worker_thread = lambda kind: kind in WAITING or on_thread(kind)
    # A service whose deployment failed has changed state: send it back.
    stacks._sends_back_failed_update = lambda kind: kind in WAITING or sends_back(kind)

    deploy = stacks._deploy_stack_async

    async def deploy_as_operation(stack_name: str, stack_id: str, *rest: Any, **named: Any) -> None:
        operations.begin(stack_name, stack_id, named.get("previous_stack"))
        try:
            await deploy(stack_name, stack_id, *rest, **named)
        except Exception:
            # Nobody awaits this task: say it here, and do not leave a stack in progress for ever.
            log.exception("the operation on stack %s broke off", stack_name)
            close_abandoned(stack_id)
            raise
        finally:
            changed()

    for module in (stacks, changesets, handlers):
        module._deploy_stack_async = deploy_as_operation

    _keep_failed_resources(stacks)
    _say_why_a_create_rolls_back(stacks, handlers)
    _refuse_deletion_in_progress(handlers)


def _keep_failed_resources(stacks: Any) -> None:
    """A resource whose create failed after it existed belongs to the stack: a rollback deletes it."""
    failed_operation = stacks._failed_operation

    def with_unfinished(is_update: bool, previous: Any, created: list[str], *rest: Any, **named: Any) -> Any:
        resources = operations.current().stack["_resources"]
        for name, record in resources.items():
            if record["ResourceStatus"] == "CREATE_IN_PROGRESS" and name not in created:
                record["ResourceStatus"] = "CREATE_FAILED"
                created = [*created, name]
        return failed_operation(is_update, previous, created, *rest, **named)

    stacks._failed_operation = with_unfinished


def _say_why_a_create_rolls_back(stacks: Any, handlers: Any) -> None:
    roll_back = stacks._roll_back_operation

    async def with_reason(
        name: str, stack_id: str, stack: Tree, operation: Tree, reason_override: str = ""
    ) -> None:
        failed = operation.get("failed_logical_id")
        if not reason_override and not operation.get("is_update") and failed:
            reason_override = (
                f"The following resource(s) failed to create: [{failed}]. Rollback requested by user."
            )
        running = operations.current_or_none()
        if running is not None:
            running.rolling_back = True
        await roll_back(name, stack_id, stack, operation, reason_override)

    for module in (stacks, handlers):
        module._roll_back_operation = with_reason


def _refuse_deletion_in_progress(handlers: Any) -> None:
    delete = handlers._ACTION_HANDLERS["DeleteStack"]

    def delete_when_idle(params: Tree) -> Any:
        name = (params.get("StackName") or [""])[0]
        stack = handlers._resolve_stack(name) if name else None
        status = (stack or {}).get("StackStatus", "")
        if stack and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            if status == "DELETE_IN_PROGRESS":
                return _cfn("helpers")._xml(200, "DeleteStackResponse", "")
            return _cfn("helpers")._error(
                "ValidationError",
                f"Stack [{stack['StackId']}] cannot be deleted while in status {status}",
            )
        answer = delete(params)
        if stack and answer[0] == 200 and not stack.get("EnableTerminationProtection"):
            # The work begins with the loop's next turn; whoever asks before that must see it has begun.
            stack["StackStatus"] = "DELETE_IN_PROGRESS" if status != "DELETE_COMPLETE" else status
        return answer

    handlers._ACTION_HANDLERS["DeleteStack"] = delete_when_idle


#: What becomes of a stack whose operation ended with the process.
_ABANDONED = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "IMPORT_IN_PROGRESS": "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_IN_PROGRESS": "IMPORT_ROLLBACK_FAILED",
}


def close_abandoned(stack_id: str | None = None) -> list[str]:
    """End operations that nothing carries on any more, so that their stacks can be deleted.

    All that are in progress, for use once after the state was loaded, or only the one of `stack_id`.
    Returns the
    names of the stacks concerned.
    """
    stacks = emulator.module("services.cloudformation")._stacks
    responses = emulator.module("core.responses")
    closed = []
    for (account, region, name), stack in list(stacks.all_items()):
        status = _ABANDONED.get(stack["StackStatus"])
        if status is None or stack_id not in (None, stack["StackId"]):
            continue
        responses.set_request_account_id(account)
        responses.set_request_region(region)
        reason = "The local cloud stopped, or failed, while this operation was running (see its log)."
        stack["StackStatus"], stack["StackStatusReason"] = status, reason
        for record in stack.get("_resources", {}).values():
            if record["ResourceStatus"].endswith("_IN_PROGRESS"):
                record["ResourceStatus"] = record["ResourceStatus"].replace("_IN_PROGRESS", "_FAILED")
        _cfn("stacks")._add_event(
            stack["StackId"], name, name, "AWS::CloudFormation::Stack", status, reason, stack["StackId"]
        )
        closed.append(name)
    return closed
