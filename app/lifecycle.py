"""What state one server process is in: shared by the worker, the ASGI layer and the routes."""

from __future__ import annotations


class Lifecycle:
    """Flags of one process.

    `draining`: SIGTERM has come; not ready, connections are closed politely.
    `store_ready`: the store has answered, and not failed for longer than cached tokens may bridge.
    """

    def __init__(self) -> None:
        self.draining = False
        self.store_ready = False

    def not_ready_because(self) -> str | None:
        """Why new traffic should go elsewhere, or None."""
        if self.draining:
            return "This server is shutting down."
        if not self.store_ready:
            return "The token store cannot be reached."
        return None
