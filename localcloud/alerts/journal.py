"""What became of every message to every subscription; saved with the rest of the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: Only so many are kept, the newest.
MOST = 1000

Result = Literal["delivered", "pending", "failed", "not delivered"]


@dataclass
class AlarmChange:
    """An alarm's change from one state to another."""

    name: str
    old_state: str
    new_state: str
    reason: str


@dataclass
class Delivery:
    """One message to one subscription.

    `alarm` is None unless CloudWatch sent it. `failed` is what was tried in vain, `not delivered` what is
    never tried here; `because` says why, and `file` where mail is. `waiting` is what is still to be sent.
    """

    time: str
    message_id: str
    topic: str
    subject: str
    protocol: str
    endpoint: str
    subscription: str
    alarm: AlarmChange | None
    result: Result = "pending"
    because: str = ""
    file: str = ""
    attempts: int = 0
    waiting: dict[str, Any] = field(default_factory=dict)


class Journal:
    """The deliveries, oldest first. Lives on the event loop."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.changed: Callable[[], None] = lambda: None
        #: Called with each delivery that was tried and has ended.
        self.ended: Callable[[Delivery], None] = lambda _: None

    def add(self, delivery: Delivery) -> None:
        """Write one down."""
        self.deliveries.append(delivery)
        if len(self.deliveries) > MOST:
            ended = next((d for d in self.deliveries if d.result != "pending"), None)
            if ended is not None:
                self.deliveries.remove(ended)
        self.changed()

    def end(self, delivery: Delivery, result: Result, because: str = "") -> None:
        """Say what became of one."""
        delivery.result, delivery.because, delivery.waiting = result, because, {}
        if result in ("delivered", "failed"):
            self.ended(delivery)
        self.changed()

    def state(self) -> list[dict[str, Any]]:
        """All of it, as `load` takes it."""
        return [asdict(delivery) for delivery in self.deliveries]

    def load(self, saved: list[dict[str, Any]] | None) -> None:
        """Begin with what was saved."""
        self.deliveries = [
            Delivery(**{**entry, "alarm": entry["alarm"] and AlarmChange(**entry["alarm"])})
            for entry in saved or []
        ]


JOURNAL = Journal()
