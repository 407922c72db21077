"""The stack operation that is running, as seen from the resource handlers it calls."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from localcloud import emulator

Result = TypeVar("Result")

_CURRENT: contextvars.ContextVar[Operation] = contextvars.ContextVar("localcloud_operation")


@dataclass
class Operation:
    """A create or update of one stack. Handlers on worker threads see the same object."""

    stack_name: str
    stack_id: str

    @property
    def stack(self) -> dict[str, Any]:
        """MiniStack's record of the stack."""
        found: dict[str, Any] = emulator.module("services.cloudformation")._stacks[self.stack_name]
        return found

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


def begin(stack_name: str, stack_id: str) -> Operation:
    """Make this the current operation of the running task and of the threads it starts."""
    operation = Operation(stack_name, stack_id)
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
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that asked
            done.set_exception(exc)

    _loop().call_soon_threadsafe(run, context=contextvars.copy_context())
    return done.result()


def run_on_loop(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the event loop from a worker thread and wait for it."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()
