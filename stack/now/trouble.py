"""What keeps a service's tasks from serving now, whatever its last update came to.

A wrong health path, for one, changes only the target groups: the update succeeds, and then ECS ends one task
after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stack.running import hints

if TYPE_CHECKING:
    from stack.now.tasks import Ended, Service

# How the reasons of tasks begin that were ended on purpose, by ECS or by somebody.
_MEANT = ("Scaling activity initiated by", "Task stopped by user", "Spot Task was interrupted")


def told(environment: str, service: Service, gone: Sequence[Ended]) -> list[str]:
    """Why fewer tasks serve than should, and what to do, a line each; empty where nothing has failed.

    `gone` are the tasks that ended within the last hour, the latest last.
    """
    failed = [task for task in gone if not task.reason.startswith(_MEANT)]
    unhealthy = list(dict.fromkeys(task.why for task in service.tasks if task.target == "unhealthy"))
    if not unhealthy and failed and failed[-1].reason.startswith("Task failed ELB health checks"):
        # Those that follow them are new.
        unhealthy = [service.complaint]
    if service.serving >= service.desired or not (failed or unhealthy):
        return []
    lines = [f"{service.name}: {service.serving} of {service.desired} tasks serve."]
    lines += [f"The load balancer finds them unhealthy: {why or 'it does not say why'}" for why in unhealthy]
    if failed:
        last = failed[-1]
        many = "One task" if len(failed) == 1 else f"{len(failed)} tasks"
        lines.append(f"{many} failed within the last hour, the last at {last.stopped}: {last.reason}")
    hint = hints.about([*unhealthy, *(task.reason for task in reversed(failed))], environment)
    return [*lines, *([f"What to do: {hint}"] if hint else [])]
