"""The stack operation that is running, as seen from the resource handlers it calls."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from localcloud import emulator

Result = TypeVar("Result")

#: How often it is looked whether what is waited for is still wanted.
_LOOK_SECONDS = 0.2

_CURRENT: contextvars.ContextVar[Operation] = contextvars.ContextVar("localcloud_operation")


@dataclass
class Operation:
    """A create or update of one stack. Handlers on worker threads see the same object."""

    stack_name: str
    stack_id: str
    is_update: bool = False
    #: The physical ids of the resources the stack had before, by logical id.
    previous: dict[str, str] = field(default_factory=dict)
    rolling_back: bool = False
    cleaning_up: bool = False
    #: An event that is recorded only if the resource turns out to change.
    held: Any = None

    @property
    def stack(self) -> dict[str, Any]:
        """MiniStack's record of the stack."""
        found: dict[str, Any] = emulator.module("services.cloudformation")._stacks[self.stack_name]
        return found

    @property
    def cancelled(self) -> bool:
        """Whether CancelUpdateStack was called for it, which ends what it waits for."""
        return self.is_update and not self.rolling_back and bool(self.stack.get("_cancel_requested"))

    def creation_initiated(
        self,
        logical_id: str,
        resource_type: str,
        physical_id: str,
        attributes: dict[str, Any],
        props: dict[str, Any],
    ) -> None:
        """Record a resource that exists but is not complete, with the event CloudFormation shows for that.

        So whoever watches can look at it meanwhile, and a failure, a rollback, or a process that dies here
        leaves a resource the stack knows of.
        """
        self.stack["_resources"][logical_id] = {
            "PhysicalResourceId": physical_id,
            "ResourceType": resource_type,
            "ResourceStatus": "CREATE_IN_PROGRESS",
            "LogicalResourceId": logical_id,
            "Properties": props,
            "Attributes": attributes,
            "Timestamp": emulator.module("core.responses").now_iso(),
        }
        emulator.module("services.cloudformation.stacks")._add_event(
            self.stack_id, self.stack_name, logical_id, resource_type, "CREATE_IN_PROGRESS",
            "Resource creation Initiated", physical_id,
        )  # fmt: skip


def current() -> Operation:
    """The operation whose handler is running; LookupError outside of one."""
    return _CURRENT.get()


def current_or_none() -> Operation | None:
    """The operation that is running, None outside of one."""
    return _CURRENT.get(None)


def begin(stack_name: str, stack_id: str, previous_stack: dict[str, Any] | None) -> Operation:
    """Make this the current operation of the running task and of the threads it starts.

    `previous_stack` is what an update starts from, None for a create.
    """
    resources = (previous_stack or {}).get("_resources", {})
    previous = {name: record["PhysicalResourceId"] for name, record in resources.items()}
    operation = Operation(stack_name, stack_id, previous_stack is not None, previous)
    _CURRENT.set(operation)
    return operation


def _loop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = emulator.module("app")._MAIN_LOOP
    return loop


def on_loop(function: Callable[[], Result]) -> Result:
    """Call `function` on the event loop from a worker thread, with this thread's context, and wait for it.

    MiniStack's stores belong to the event loop's thread; handlers that wait run on threads of their own.
    """
    done: concurrent.futures.Future[Result] = concurrent.futures.Future()

    def run() -> None:
        try:
            done.set_result(function())
        except BaseException as exc:
            done.set_exception(exc)

    _loop().call_soon_threadsafe(run, context=contextvars.copy_context())
    return done.result()


def on_loop_or_here(function: Callable[[], Result]) -> Result:
    """Call `function` on the event loop's thread, whichever thread this is."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return on_loop(function)
    return function()


def run_on_loop(
    coroutine: Coroutine[Any, Any, Result], given_up: Callable[[], bool] = lambda: False
) -> Result:
    """Run a coroutine on the event loop from a worker thread and wait for it.

    Raises asyncio.CancelledError soon after `given_up` has become true.
    """
    running = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    while True:
        try:
            return running.result(_LOOK_SECONDS)
        except concurrent.futures.TimeoutError:
            if running.done():
                raise
            if given_up():
                running.cancel()
                raise asyncio.CancelledError from None
