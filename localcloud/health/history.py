"""What the checks have seen, from which their health follows; saved with the rest of the state."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from localcloud import emulator
from localcloud.health.settings import ENDPOINTS, Config

Record = dict[str, Any]


@dataclass
class Seen:
    """The observations of one health check; times are ISO 8601.

    `healthy` is before `Inverted`. Until there is enough to go by a check is healthy, as on AWS.
    """

    healthy: bool = True
    #: Observations in a row that say otherwise.
    against: int = 0
    text: str = ""
    checked: str = ""
    failure: str = ""
    failed: str = ""

    def observe(self, healthy: bool, text: str, at: str, threshold: int) -> bool:
        """Take one observation in; whether the health changed."""
        self.text, self.checked = text, at
        if not healthy:
            self.failure, self.failed = text, at
        self.against = 0 if healthy == self.healthy else self.against + 1
        if self.against < threshold:
            return False
        self.healthy, self.against = healthy, 0
        return True


class History:
    """What every check has seen. Lives on the event loop."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def of(self, check_id: str) -> Seen:
        """What one check has seen."""
        return self.seen.setdefault(check_id, Seen())

    def state(self) -> dict[str, Any]:
        """All of it, as `load` takes it."""
        return {check_id: asdict(seen) for check_id, seen in self.seen.items()}

    def load(self, saved: dict[str, Any] | None) -> None:
        """Begin with what was saved."""
        self.seen = {check_id: Seen(**entry) for check_id, entry in (saved or {}).items()}


HISTORY = History()


def records() -> list[tuple[str, str, Record]]:
    """Account, id and record of every health check."""
    stored = emulator.module("services.route53")._health_checks._data
    return [(account, check_id, record) for (account, check_id), record in list(stored.items())]


def healthy(account: str, check_id: str, asked: frozenset[str] = frozenset()) -> bool:
    """Whether Route 53 considers the check healthy, `Inverted` included.

    A check that is gone, or that waits for itself, is not.
    """
    record = emulator.module("services.route53")._health_checks._data.get((account, check_id))
    if record is None or check_id in asked:
        return False
    config: Config = record["config"]
    if config.get("Disabled"):
        found = True
    elif config["Type"] in ENDPOINTS:
        found = HISTORY.of(check_id).healthy
    elif config["Type"] == "CALCULATED":
        found = healthy_children(account, check_id, config, asked) >= int(config["HealthThreshold"])
    else:
        found = _by_alarm(account, check_id, config)
    return found != bool(config.get("Inverted"))


def healthy_children(account: str, check_id: str, config: Config, asked: frozenset[str] = frozenset()) -> int:
    """How many of a CALCULATED check's children are healthy."""
    return sum(healthy(account, child, asked | {check_id}) for child in config.get("ChildHealthChecks") or [])


def _by_alarm(account: str, check_id: str, config: Config) -> bool:
    """From the alarm's state. AWS looks at its data instead, so SetAlarmState changes nothing there."""
    cloudwatch, alarm = emulator.module("services.cloudwatch"), config["AlarmIdentifier"]
    found = cloudwatch._alarms.get_scoped(account, alarm["Region"], alarm["Name"]) or {}
    state, seen = found.get("StateValue", "INSUFFICIENT_DATA"), HISTORY.of(check_id)
    if state == "INSUFFICIENT_DATA" and config["InsufficientDataHealthStatus"] != "LastKnownStatus":
        return bool(config["InsufficientDataHealthStatus"] == "Healthy")
    if state != "INSUFFICIENT_DATA":
        seen.healthy = state == "OK"
    return seen.healthy
