"""EventBridge's start and end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from localcloud.events import api
from localcloud.events.schedules import Schedules
from localcloud.events.sources import Sources

_schedules: Schedules | None = None
_sources: Sources | None = None
_running: asyncio.Task[None] | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None]) -> None:
    """Take the events over; on the event loop, after ECS and before the saved state is loaded."""
    del state_dir, gateway_url, cloud_id, changed
    global _schedules, _sources
    _schedules, _sources = Schedules(), Sources()
    _sources.listen()
    api.install(_schedules.kick)


async def start() -> None:
    """Begin to follow the schedules of the saved rules; rates count from now."""
    global _running
    if _schedules is None:
        raise RuntimeError("events.install comes first")
    _running = asyncio.create_task(_schedules.run(), name="schedules")


async def stop() -> None:
    """Follow no schedule any more."""
    global _schedules, _sources, _running
    if _running is not None:
        _running.cancel()
        await asyncio.gather(_running, return_exceptions=True)
    if _sources is not None:
        _sources.mute()
    _schedules = _sources = _running = None
