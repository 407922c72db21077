"""What Route 53 answers: which record of a name is chosen, by routing policy and by health.

By the developer guide's "How Amazon Route 53 chooses records when health checking is configured".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from localcloud import emulator, outages, regions
from localcloud.dns.recordsets import RecordSet, policy

#: Aliases that may lead to one another.
_MOST_STEPS = 8
#: So many values a multivalue answer has.
_MOST_VALUES = 8


class NotFollowedError(ValueError):
    """A routing policy that is not followed here; the message names it."""


@dataclass(frozen=True)
class Answer:
    """A DNS response code (NOERROR, NXDOMAIN, REFUSED) and the values of the answer section."""

    code: str = "NOERROR"
    values: list[str] = field(default_factory=list)


class Zone:
    """The records of one hosted zone, as it is now."""

    def __init__(self, account: str, zone_id: str, steps: int = _MOST_STEPS) -> None:
        self._account, self._id, self._steps = account, zone_id, steps
        stored = emulator.module("services.route53")._records._data.get((account, zone_id)) or []
        self._records: Sequence[RecordSet] = stored
        self._name = next((plain(record["Name"]) for record in stored if record["Type"] == "SOA"), "")

    def answer(self, name: str, kind: str) -> Answer:
        """The answer to a question for a name and a record type. Raises NotFollowedError."""
        name = plain(name)
        if name != self._name and not name.endswith(f".{self._name}"):
            return Answer("REFUSED")
        named = self._named(name)
        if not named:
            return Answer("NXDOMAIN")
        group = [record for record in named if record["Type"] == kind]
        # A CNAME is the answer to every question for its name.
        group = group or [record for record in named if record["Type"] == "CNAME"]
        return Answer(values=[value for record in self._chosen(group) for value in self._values(record)])

    def _named(self, name: str) -> list[RecordSet]:
        """The records of a name: its own, else those of the closest wildcard."""
        wanted, rest = [name], name
        while rest != self._name:
            rest = rest.partition(".")[2]
            wanted.append(f"*.{rest}")
        for each in wanted:
            if found := [record for record in self._records if plain(record["Name"]) == each]:
                return found
        return []

    def _chosen(self, group: list[RecordSet]) -> list[RecordSet]:
        """The records of a group of one name and type that answer."""
        kind = policy(group[0]) if group else ""
        if kind not in _CHOICES:
            raise NotFollowedError(f"the local cloud does not answer for records with {kind}")
        if not group or not kind:
            return group
        # Without a healthy one, all count as healthy.
        return _CHOICES[kind]([record for record in group if self._is_healthy(record)] or group)

    def _is_healthy(self, record: RecordSet) -> bool:
        # Health checks look names up.
        from localcloud.health.history import healthy

        check, alias = record.get("HealthCheckId"), record.get("AliasTarget") or {}
        if check and not healthy(self._account, check):
            return False
        return not _true(alias.get("EvaluateTargetHealth")) or self._target_is_healthy(alias, record["Type"])

    def _target_is_healthy(self, alias: dict[str, Any], kind: str) -> bool:
        """Whether what an alias leads to is healthy: one record of a name, or a load balancer."""
        zone = self._next(alias)
        if zone is None:
            return _balancer_is_healthy(plain(alias["DNSName"]))
        named = zone._named(plain(alias["DNSName"]))
        return any(zone._is_healthy(record) for record in named if record["Type"] == kind)

    def _values(self, record: RecordSet) -> list[str]:
        alias = record.get("AliasTarget")
        if not alias:
            return [str(value) for value in record.get("ResourceRecords") or []]
        if zone := self._next(alias):
            return zone.answer(alias["DNSName"], record["Type"]).values
        # A load balancer is called by its address here, which is one of IPv4.
        return [plain(alias["DNSName"])] if record["Type"] == "A" else []

    def _next(self, alias: dict[str, Any]) -> Zone | None:
        """The hosted zone that an alias leads to, None when it leads to a load balancer."""
        zone_id = str(alias["HostedZoneId"]).rpartition("/")[2]
        known = (self._account, zone_id) in emulator.module("services.route53")._records._data
        if not known or not self._steps:
            return None
        return Zone(self._account, zone_id, self._steps - 1)


def plain(name: str) -> str:
    """A name as names are compared: small letters, no dot at the end, `*` as itself."""
    return name.rstrip(".").lower().replace("\\052", "*")


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _by_weight(records: list[RecordSet]) -> list[RecordSet]:
    """One by chance; those of weight 0 only where there are no others."""
    weights = [int(record["Weight"]) for record in records]
    return random.choices(records, weights if any(weights) else None)  # noqa: S311 - no secret


def _by_failover(records: list[RecordSet]) -> list[RecordSet]:
    """The primary, else the secondary."""
    return sorted(records, key=lambda record: str(record["Failover"]))[:1]


def _several(records: list[RecordSet]) -> list[RecordSet]:
    return random.sample(records, min(len(records), _MOST_VALUES))


#: How each routing policy chooses among the healthy records of a name.
_CHOICES: dict[str, Callable[[list[RecordSet]], list[RecordSet]]] = {
    "": list, "Weight": _by_weight, "Failover": _by_failover, "MultiValueAnswer": _several,
}  # fmt: skip


def _balancer_is_healthy(address: str) -> bool:
    """Whether one of the load balancers at an address is healthy.

    It is when each of its target groups that has targets has a healthy one, and one has targets.
    """
    from localcloud import balancer
    from localcloud.metrics.publish import in_use

    alb = emulator.module("services.alb")
    here = [lb["LoadBalancerArn"] for lb in alb._lbs.all_values() if lb["DNSName"] == address]
    groups = in_use()
    for arn in here:
        if outages.REGIONS.left(regions.of_arn(arn)):
            continue
        running = [balancer.current().group(group) for of, group in groups if of == arn]
        states = [[target.state for target in group.targets.values()] for group in running if group]
        with_targets = [each for each in states if each]
        if with_targets and all("healthy" in each for each in with_targets):
            return True
    return False
