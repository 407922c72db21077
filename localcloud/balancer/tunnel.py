"""An upgraded connection (WebSocket): bytes both ways."""

from __future__ import annotations

import asyncio
import time

from localcloud.balancer.pool import Connection


async def tunnel(client: Connection, target: Connection, idle_seconds: float) -> tuple[int, int]:
    """Copy until both sides have ended, one breaks off, or nothing came for `idle_seconds`.

    Returns the bytes of the client and of the target.
    """
    last = time.monotonic()
    copied = [0, 0]

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: int) -> None:
        nonlocal last
        while piece := await source.read(65536):
            last = time.monotonic()
            copied[way] += len(piece)
            sink.write(piece)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
        else:
            # TLS has no half-closed connections: the end of one direction is the end.
            sink.close()

    copies = {
        asyncio.ensure_future(copy(client[0], target[1], 0)),
        asyncio.ensure_future(copy(target[0], client[1], 1)),
    }
    try:
        while copies:
            left = last + idle_seconds - time.monotonic()
            done, copies = await asyncio.wait(
                copies, timeout=max(left, 0.01), return_when=asyncio.FIRST_COMPLETED
            )
            if any(task.exception() for task in done) or (
                not done and time.monotonic() - last >= idle_seconds
            ):
                break
    finally:
        for task in copies:
            task.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
        target[1].close()
    return copied[0], copied[1]
