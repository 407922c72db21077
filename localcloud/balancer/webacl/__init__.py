"""The web ACL in front of a load balancer: its rules in order, by address, rate, headers and a body's start.

Statements that need knowledge of the world (countries, reputations, bots), and managed rule groups other than
the two that `managed` stands in for, cannot be told here and never match.
"""

from localcloud.balancer.webacl.guard import Guard
from localcloud.balancer.webacl.judge import Judge, Refusal, Verdict
from localcloud.balancer.webacl.logs import WebAclLog
from localcloud.balancer.webacl.request import BODY_LIMIT, Request

__all__ = ["BODY_LIMIT", "Guard", "Judge", "Refusal", "Request", "Verdict", "WebAclLog"]
