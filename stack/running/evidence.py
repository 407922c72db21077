"""What ECS, the load balancer and the logs knew about a failing service: plain data, to keep in a file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

# How ECS begins its reason for tasks that had to go because fewer or others were wanted.
_WANTED_NO_MORE = "Scaling activity initiated by"


@dataclass
class StoppedTask:
    """A task that ended: why, as ECS says, and how each container went, with its last log lines.

    `at` is when it began to end (ISO 8601, UTC), `new` whether a deployment of this operation started it.
    """

    id: str
    task_definition: str
    reason: str
    containers: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    code: str = ""
    at: str = ""
    new: bool = True

    @property
    def tells(self) -> bool:
        """Whether it ended because something was wrong with it."""
        return not self.reason.startswith(_WANTED_NO_MORE)


@dataclass
class Evidence:
    """Everything collected during one operation on one stack."""

    stopped: dict[str, StoppedTask] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    service_events: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    @property
    def tasks(self) -> list[StoppedTask]:
        """The stopped tasks that tell most first: those of a new deployment, in the order they ended."""
        return sorted(self.stopped.values(), key=lambda task: (not task.tells, not task.new, task.at))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data to keep in a file."""
        return {
            "stopped_tasks": [asdict(task) for task in self.tasks],
            "unhealthy_targets": self.targets,
            "alarms": self.alarms,
            "service_events": self.service_events,
            "gaps": self.gaps,
        }
