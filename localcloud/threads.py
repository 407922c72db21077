"""Calls that may block for long, each on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_thread(function: Callable[[], Result]) -> Result:
    """Like asyncio.to_thread, but not on one of its few threads, and on a daemon.

    So a call that hangs holds up neither what others want threads for, such as saving, nor the process's end.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def deliver(result: Any, problem: BaseException | None) -> None:
        if not future.done():
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

    def run() -> None:
        result: Any = None
        problem: BaseException | None = None
        try:
            result = function()
        except Exception as exc:
            problem = exc
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, result, problem)

    threading.Thread(target=run, daemon=True, name="in-thread").start()
    return await future
