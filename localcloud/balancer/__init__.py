"""The load balancers' data plane: listeners on loopback, health-checked target groups, draining.

`install` takes MiniStack's records over before the saved state is loaded, `start` opens the listeners after
that, `stop` closes them. Application load balancers over HTTP and HTTPS.
"""

from localcloud.balancer.control import Balancer
from localcloud.balancer.records import in_use
from localcloud.balancer.running import current, install, start, stop
from localcloud.balancer.sockets import PortTakenError

__all__ = ["Balancer", "PortTakenError", "current", "in_use", "install", "start", "stop"]
