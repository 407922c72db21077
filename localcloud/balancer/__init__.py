"""The load balancers' data plane: listeners on 127.0.0.1, health-checked target groups, draining.

`install` after MiniStack's state is loaded, on the event loop; `stop` ends it. Application load balancers over HTTP;
an HTTPS listener is refused for now.
"""

from localcloud.balancer.control import Balancer, PortTakenError, current, install, stop

__all__ = ["Balancer", "PortTakenError", "current", "install", "stop"]
