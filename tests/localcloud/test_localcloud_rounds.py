"""Work that is done again and again: woken from any thread, on time, and however often it fails."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest

from localcloud.rounds import Rounds


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_turn_that_fails_is_told_of_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    turns: list[int] = []

    def turn() -> None:
        turns.append(len(turns))
        if len(turns) < 3:
            raise ValueError("broken on purpose")

    async def main() -> None:
        rounds = Rounds("mending", turn, again=0.0)
        rounds.start()
        await until(lambda: len(turns) == 3)
        await rounds.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [record.message for record in caplog.records] == ["mending: a turn failed"] * 2
    assert "broken on purpose" in caplog.text


def test_turns_come_when_it_is_time_and_when_another_thread_says_so() -> None:
    woken: list[bool] = []
    waits = iter([0.0, None, None])

    async def main() -> None:
        rounds = Rounds("looking", lambda: woken.append(rounds.woken) or next(waits))
        rounds.start()
        # Time alone brings the second, nothing but a call the third.
        await until(lambda: len(woken) == 2)
        threading.Thread(target=rounds.wake).start()
        await until(lambda: len(woken) == 3)
        await rounds.stop()
        rounds.wake()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert woken == [False, False, True]
