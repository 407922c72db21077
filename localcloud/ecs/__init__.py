"""ECS: tasks that really run, as processes or containers, and services that deploy them.

`install` takes MiniStack's ECS over before the saved state is loaded, `start` brings services back after
that, `stop` ends every task, and `sweep` what a killed cloud left.
"""

from localcloud.ecs.control import (
    Cloud,
    ServiceDeploymentFailed,
    install,
    kick,
    kill,
    start,
    stop,
    sweep,
    wait_service_stable,
)
from localcloud.ecs.zones import known as known_zones

__all__ = [
    "Cloud",
    "ServiceDeploymentFailed",
    "install",
    "kick",
    "kill",
    "known_zones",
    "start",
    "stop",
    "sweep",
    "wait_service_stable",
]
