"""Application Auto Scaling: services of ECS follow their metrics and schedules.

`install`, `start` and `stop` belong to the loop that acts; `api` answers requests and keeps the records.
"""

from localcloud.scaling.api import TARGET_PREFIX, handle
from localcloud.scaling.control import install, start, stop
from localcloud.scaling.records import STORE

__all__ = ["STORE", "TARGET_PREFIX", "handle", "install", "start", "stop"]
