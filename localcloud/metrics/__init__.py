"""CloudWatch: metrics of what really happens in load balancers, web ACLs and services, and alarms.

`counters` is what the data plane calls: nothing but `control`, and what it runs, may import the balancer.
"""

from __future__ import annotations

from localcloud.metrics.alarms import recent, subscribe

__all__ = ["recent", "subscribe"]
