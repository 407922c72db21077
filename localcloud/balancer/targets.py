"""Target groups at run time: which targets there are, how healthy they are, who gets the next request."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.balancer.http import BadMessageError, read_head, render
from localcloud.balancer.pool import Pool
from localcloud.balancer.tls import TARGET_CONTEXT

log = logging.getLogger("localcloud.balancer")

#: How often a target that has yet to pass its first check is asked; only one failure per interval counts.
_EAGER_SECONDS = 0.2

REASONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Elb.InternalError": "Health checks failed due to an internal error",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.Timeout": "Request timed out",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.NotRegistered": "Target is not registered to the target group",
}


@dataclass(eq=False)
class Target:
    """One address of a target group. `reason` is AWS's code, "" while healthy."""

    id: str
    port: int
    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = ""
    #: Whether it is spoken to over TLS.
    secure: bool = False
    in_flight: int = 0
    idle: Pool = field(default_factory=Pool)
    checking: asyncio.Task[None] | None = None

    def describe(self) -> str:
        """The reason in AWS's words."""
        return self.description or REASONS.get(self.reason, "")


class Group:
    """The targets of one target group. Lives on the event loop."""

    def __init__(self, arn: str, settings: Callable[[], dict[str, Any]], changed: Callable[[], None]) -> None:
        self.arn = arn
        self._settings = settings
        self._changed = changed
        self._turn = itertools.count()
        self.targets: dict[tuple[str, int], Target] = {}

    def register(self, address: str, port: int) -> Target:
        """Add a target and begin checking it at once; a draining one comes back into service."""
        target = self.targets.get((address, port))
        if target is None or target.state == "draining":
            secure = self._settings().get("Protocol") == "HTTPS"
            target = self.targets[(address, port)] = Target(address, port, secure=secure)
            target.checking = asyncio.get_running_loop().create_task(self._check_for_ever(target))
        return target

    def deregister(self, address: str, port: int) -> None:
        """Send no more requests; forget the target when it is unused or the deregistration delay is over."""
        target = self.targets.get((address, port))
        if target is None or target.state == "draining":
            return
        if target.checking:
            target.checking.cancel()
        target.idle.close()
        target.state, target.reason, target.description = "draining", "Target.DeregistrationInProgress", ""
        target.checking = asyncio.get_running_loop().create_task(self._drain(target))

    async def _drain(self, target: Target) -> None:
        end = time.monotonic() + float(self._settings().get("deregistration_delay.timeout_seconds", 300))
        while target.in_flight and time.monotonic() < end:  # noqa: ASYNC110 - a count has no event
            await asyncio.sleep(0.02)
        if self.targets.get((target.id, target.port)) is target:
            del self.targets[(target.id, target.port)]
        target.idle.close()
        self._changed()

    def close(self) -> None:
        """Stop checking."""
        for target in self.targets.values():
            if target.checking:
                target.checking.cancel()
            target.idle.close()
        self.targets.clear()

    def pick(self, tried: set[Target]) -> Target | None:
        """The healthy target whose turn it is, None when there is none."""
        healthy = [t for t in self.targets.values() if t.state == "healthy" and t not in tried]
        if not healthy:
            return None
        turn = next(self._turn) % len(healthy)
        if self._settings().get("load_balancing.algorithm.type") == "least_outstanding_requests":
            rotated = healthy[turn:] + healthy[:turn]
            return min(rotated, key=lambda t: t.in_flight)
        return healthy[turn]

    async def _check_for_ever(self, target: Target) -> None:
        """Check until cancelled, or the group's record is gone."""
        passed = failed = 0
        counted = time.monotonic()
        while True:
            target.idle.prune()
            settings = self._settings()
            if "HealthCheckIntervalSeconds" not in settings:
                return  # The group's record is gone, and soon so is the group.
            interval = float(settings["HealthCheckIntervalSeconds"])
            if not settings.get("HealthCheckEnabled", True):
                reason, text = "", ""
            else:
                try:
                    reason, text = await check(target, settings)
                except Exception:
                    # Such as a matcher that is none. The checks go on: settings change.
                    if target.reason != "Elb.InternalError":
                        log.exception("health check of %s:%d", target.id, target.port)
                    reason, text = "Elb.InternalError", ""
            first = target.state == "initial"
            if not reason:
                passed, failed = passed + 1, 0
                # A newly registered target needs to pass one check only.
                if first or passed >= int(settings["HealthyThresholdCount"]):
                    self._set(target, "healthy", "", "")
            else:
                due = time.monotonic() - counted >= interval
                if not first or due:
                    passed, failed, counted = 0, failed + 1, time.monotonic()
                if failed >= int(settings["UnhealthyThresholdCount"]):
                    self._set(target, "unhealthy", reason, text)
                elif first:
                    target.reason = reason if reason.startswith("Elb.") else "Elb.InitialHealthChecking"
            await asyncio.sleep(_EAGER_SECONDS if target.state == "initial" else interval)

    def _set(self, target: Target, state: str, reason: str, text: str) -> None:
        moved = target.state != state
        target.state, target.reason, target.description = state, reason, text
        if moved:
            log.info(
                "target %s:%d of %s is %s %s", target.id, target.port, self.arn.split("/")[-2], state, text
            )
            if state == "unhealthy":
                target.idle.close()
            self._changed()


async def check(target: Target, settings: dict[str, Any]) -> tuple[str, str]:
    """One health check: AWS's reason code and text, both "" when it passed."""
    port = settings.get("HealthCheckPort", "traffic-port")
    number = target.port if port == "traffic-port" else int(port)
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(float(settings["HealthCheckTimeoutSeconds"])):
            secure = TARGET_CONTEXT if settings.get("HealthCheckProtocol") == "HTTPS" else None
            reader, writer = await asyncio.open_connection(target.id, number, ssl=secure)
            writer.write(
                render(
                    b"GET %b HTTP/1.1" % str(settings["HealthCheckPath"]).encode(),
                    [
                        (b"Host", b"%b:%d" % (target.id.encode(), number)),
                        (b"Connection", b"close"),
                        (b"User-Agent", b"ELB-HealthChecker/2.0"),
                        (b"Accept-Encoding", b"gzip, compressed"),
                    ],
                )
            )
            head = await read_head(reader, response=True)
    except TimeoutError:
        return "Target.Timeout", "Request timed out"
    except (OSError, BadMessageError):
        return "Target.FailedHealthChecks", "Health checks failed"
    finally:
        if writer:
            writer.close()
    if head is None:
        return "Target.FailedHealthChecks", "Health checks failed"
    status = int(head.first[1])
    if matches(str(settings["Matcher"].get("HttpCode", "200")), status):
        return "", ""
    return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"


def matches(matcher: str, status: int) -> bool:
    """Whether `status` is in a matcher such as "200,202" or "200-299"."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
