"""Route 53's health checks: they really probe, on this machine's loopback, and publish their metrics."""

from localcloud.health.control import install, start, stop
from localcloud.health.history import HISTORY

__all__ = ["HISTORY", "install", "start", "stop"]
