"""Calls that block for long hold up nobody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from localcloud.threads import in_thread


def test_calls_that_hang_leave_the_shared_threads_to_others() -> None:
    go_on = threading.Event()

    async def main() -> None:
        # More than asyncio.to_thread has threads for, on any machine.
        hanging = [asyncio.ensure_future(in_thread(go_on.wait)) for _ in range(40)]
        try:
            async with asyncio.timeout(60):
                assert await asyncio.to_thread(lambda: "saved") == "saved"
            assert not any(each.done() for each in hanging)
        finally:
            go_on.set()
        assert await asyncio.gather(*hanging) == [True] * 40

    asyncio.run(main())


def test_nobody_waits_for_a_call_that_is_given_up() -> None:
    go_on = threading.Event()

    async def main() -> None:
        hanging = asyncio.ensure_future(in_thread(go_on.wait))
        await asyncio.sleep(0)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)

    # It ends although the thread does not.
    asyncio.run(main())
    go_on.set()


def test_problems_come_back() -> None:
    def broken() -> None:
        raise OSError("broken on purpose")

    async def main() -> None:
        with pytest.raises(OSError, match="broken on purpose"):
            await in_thread(broken)

    asyncio.run(main())
