"""What a started container can do, whether it is a process or on an engine."""

from __future__ import annotations

from typing import Protocol


class Container(Protocol):
    """A started container."""

    runtime_id: str
    #: Why it ended, where that is more than its exit code.
    reason: str

    async def wait(self) -> int:
        """Its exit code, when it ends."""

    async def stop(self, seconds: float) -> None:
        """End it; by force after `seconds`."""

    async def kill(self) -> None:
        """End it at once."""

    async def execute(self, command: list[str], seconds: float) -> int:
        """Run a command in it."""
