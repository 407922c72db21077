"""What happens in the data plane, counted as it happens and taken once a period.

The balancer calls `record` once per request, `connection` as connections come and go, and `web_acl` for what
a web ACL decides. All calls are made on the event loop and are a few dictionary look-ups each.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from localcloud.metrics.distribution import Distribution


@dataclass
class Traffic:
    """Requests of one period that one target answered, or that nothing but the balancer did."""

    requests: int = 0
    #: Answers by status, and who gave them: (status, whether it was the target).
    answers: dict[tuple[int, bool], int] = field(default_factory=lambda: defaultdict(int))
    #: Seconds from sending a request on to the head of its answer.
    times: Distribution = field(default_factory=Distribution)
    connection_errors: int = 0


@dataclass
class Connections:
    """A balancer's connections and bytes of one period."""

    new: int = 0
    #: Most at one time.
    active: int = 0
    rejected: int = 0
    bytes: int = 0


@dataclass
class Counts:
    """Everything counted since the last `take`."""

    #: By balancer's ARN, target group's ARN or None, and the target's address or None.
    traffic: dict[tuple[str, str | None, str | None], Traffic] = field(
        default_factory=lambda: defaultdict(Traffic)
    )
    connections: dict[str, Connections] = field(default_factory=lambda: defaultdict(Connections))
    #: Requests by web ACL's ARN, rule's metric name and "Allow", "Block" or "Count".
    web_acls: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))


_counts = Counts()
_open: dict[str, int] = defaultdict(int)


def record(
    balancer_arn: str,
    target_group_arn: str | None,
    target: str | None,
    status: int,
    from_target: bool,
    seconds: float | None = None,
    received: int = 0,
    sent: int = 0,
) -> None:
    """Count one request that has been answered.

    `target` is the chosen target's address, None when none was chosen (fixed response, web ACL, no healthy
    target); `from_target` says whether the status is the target's or the balancer's own; `seconds` from
    sending the request on to the answer's head; `received` and `sent` are the client's bytes.
    """
    traffic = _counts.traffic[balancer_arn, target_group_arn, target]
    # As on AWS: only where a target was chosen.
    traffic.requests += target is not None
    traffic.answers[status, from_target] += 1
    if from_target and seconds is not None:
        traffic.times.add(seconds)
    _counts.connections[balancer_arn].bytes += received + sent


def target_connection_error(balancer_arn: str, target_group_arn: str, target: str) -> None:
    """Count a connection to a target that could not be made."""
    _counts.traffic[balancer_arn, target_group_arn, target].connection_errors += 1


def connection(balancer_arn: str, opened: bool, rejected: bool = False) -> None:
    """Count a client's connection that opened or closed; `rejected`: it was turned away at once."""
    found = _counts.connections[balancer_arn]
    if rejected:
        found.rejected += 1
        return
    found.new += opened
    _open[balancer_arn] += 1 if opened else -1
    found.active = max(found.active, _open[balancer_arn])


def web_acl(arn: str, rule: str, action: str) -> None:
    """Count what a rule of a web ACL did with a request.

    `rule` is the metric name of the rule's visibility configuration, or of the web ACL's for its default
    action; `action` is "Allow", "Block" or "Count".
    """
    _counts.web_acls[arn, rule, action] += 1


def take() -> Counts:
    """What was counted since the last call; counting begins anew with the connections that are open."""
    global _counts
    taken, _counts = _counts, Counts()
    for arn, count in list(_open.items()):
        if count > 0:
            _counts.connections[arn].active = count
        else:
            del _open[arn]
    return taken
