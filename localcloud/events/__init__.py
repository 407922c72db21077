"""EventBridge: what ECS and CloudWatch tell, rules that match it or a schedule, and their targets.

MiniStack keeps buses, rules and targets, and matches patterns; events, targets and schedules are
this package's.
"""

from localcloud.events.control import install, start, stop

__all__ = ["install", "start", "stop"]
