"""EventBridge's start and end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localcloud.events import api
from localcloud.events.schedules import Schedules
from localcloud.events.sources import Sources

_schedules: Schedules | None = None
_sources: Sources | None = None


def install(state_dir: Path, gateway_url: str, cloud_id: str, changed: Callable[[], None]) -> None:
    """Take the events over; on the event loop, after ECS and before the saved state is loaded."""
    del state_dir, gateway_url, cloud_id, changed
    global _schedules, _sources
    _schedules, _sources = Schedules(), Sources()
    _sources.listen()
    api.install(_schedules.rounds.wake)


async def start() -> None:
    """Begin to follow the schedules of the saved rules; rates count from now."""
    if _schedules is None:
        raise RuntimeError("events.install comes first")
    _schedules.rounds.start()


async def stop() -> None:
    """Follow no schedule any more."""
    global _schedules, _sources
    if _schedules is not None:
        await _schedules.rounds.stop()
    if _sources is not None:
        _sources.mute()
    _schedules = _sources = None
