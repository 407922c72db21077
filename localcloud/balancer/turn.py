"""One request and its answer, as they are counted and written to the access log."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from localcloud.balancer.http import Head
from localcloud.balancer.routing import Settings
from localcloud.metrics import counters


@dataclass(slots=True)
class Turn:
    """`client` is an address with its port; times are seconds of `time.time` (`began`) and `perf_counter`."""

    settings: Settings
    client: tuple[str, int]
    #: None where the client sent no HTTP.
    head: Head | None
    cipher: tuple[str, str] | None = None
    began: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    forwarded: float | None = None
    answered: float | None = None
    #: What the client was told, 0 before; by the target, or by the balancer.
    status: int = 0
    from_target: bool = False
    received: int = 0
    sent: int = 0
    #: ARN of the target group, and the target that was chosen: address and port.
    group: str = ""
    target: tuple[str, int] | None = None
    target_status: str = "-"
    trace: str = "-"
    #: The rule's, 0 for the default one; "-" where none was looked at.
    priority: str = "-"
    actions: list[str] = field(default_factory=list)
    redirect: str = "-"
    #: How an ambiguous request is classified, and why.
    classification: tuple[str, str] = ("-", "-")
    upgraded: bool = False

    def answer(self, status: int, from_target: bool = False) -> None:
        """Note what the client is told."""
        self.status, self.from_target = status, from_target
        self.answered = time.perf_counter()

    def count(self) -> None:
        """Put the request into the balancer's metrics."""
        seconds = self.answered - self.forwarded if self.answered and self.forwarded else None
        counters.record(
            self.settings.load_balancer,
            self.group or None,
            self.target[0] if self.target else None,
            self.status,
            self.from_target,
            seconds if self.from_target else None,
            self.received,
            self.sent,
        )
