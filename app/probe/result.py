"""What one run of the probe found, as metrics and for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.telemetry.emf import NAMESPACE

# What each metric means, for the documentation; a test holds the line to it.
METRICS: dict[str, tuple[str, str]] = {
    "ProbeEchoes": ("Count", "strings sent, over HTTP and WebSocket"),
    "ProbeMismatches": ("Count", "of these, answered with something else than what was sent"),
    "ProbeFailures": (
        "Count",
        "of these, not answered with 200 (a live token's refusal is one), and of `ProbeRefusals`, neither "
        "refused as they should be nor let through",
    ),
    "ProbeLatency": ("Milliseconds", "from an HTTP request to its whole answer; connecting is not in it"),
    "ProbeRefusals": ("Count", "bodies over 1 MiB sent, and scripts where they are to be stopped"),
    "ProbeRefusalsMissed": ("Count", "of these, let through"),
    "RevocationDelay": ("Seconds", "from a revocation to the first refusal after which nothing was accepted"),
    "RevocationOverdue": ("Count", "1 if not all were seen to refuse a revoked token within 300 s, else 0"),
}
# The specification's limit for the values of one metric in a line.
MOST_VALUES = 100


@dataclass
class Result:
    """One run. `latencies` are milliseconds, `delay` seconds.

    `stopped`: scripts among the strings that a web ACL before the service refused, which is neither an echo
    nor a failure. `refusals`: what had to be refused; of these `missed` were let through, and `unclear` were
    neither.
    `delay` is None, if the token was not seen to be refused; `overdue` is None, if it was not even revoked.
    """

    echoes: int = 0
    mismatches: int = 0
    failures: int = 0
    stopped: int = 0
    refusals: int = 0
    missed: int = 0
    unclear: int = 0
    latencies: list[float] = field(default_factory=list)
    delay: float | None = None
    overdue: bool | None = None
    _complaints: dict[str, list[str]] = field(default_factory=dict)

    def complain(self, what: str, about: str = "") -> None:
        """Note that something was not as it should be, and which string it was about."""
        self._complaints.setdefault(what, []).append(about)

    @property
    def wrong(self) -> list[str]:
        """What was not as it should be, in words; what happened often in one line, with the first string."""
        lines = []
        for what, abouts in self._complaints.items():
            often = f"{len(abouts)} times: " if len(abouts) > 1 else ""
            first = f" ({'first ' if often else ''}for {abouts[0]})" if abouts[0] else ""
            lines.append(f"{often}{what}{first}")
        return lines

    @property
    def passed(self) -> bool:
        """Whether everything was as it should be."""
        return not self._complaints

    def public(self, url: str) -> dict[str, Any]:
        """For scripts."""
        return {
            "url": url,
            "passed": self.passed,
            "echoes": self.echoes,
            "mismatches": self.mismatches,
            "failures": self.failures,
            "stopped_before_the_service": self.stopped,
            "latency_ms": _spread(self.latencies),
            "refusals": self.refusals,
            "refusals_missed": self.missed,
            "refusals_unclear": self.unclear,
            "revocation_delay_seconds": self.delay,
            "revocation_overdue": self.overdue,
            "wrong": self.wrong,
        }

    def of_echoes(self) -> dict[str, Any]:
        """What is known once the strings were sent: values of metrics."""
        values: dict[str, Any] = {
            "ProbeEchoes": self.echoes,
            "ProbeMismatches": self.mismatches,
            "ProbeFailures": self.failures,
        }
        if self.latencies:  # an empty list is not valid
            values["ProbeLatency"] = self.latencies[:MOST_VALUES]
        return values

    def of_refusals(self) -> dict[str, Any]:
        """Values of metrics, once what has to be refused was sent."""
        return {
            "ProbeRefusals": self.refusals,
            "ProbeRefusalsMissed": self.missed,
            "ProbeFailures": self.unclear,
        }

    def of_revocation(self) -> dict[str, Any]:
        """Values of metrics at the end; none, if the token could not be revoked."""
        values: dict[str, Any] = {}
        if self.delay is not None:
            values["RevocationDelay"] = self.delay
        if self.overdue is not None:
            values["RevocationOverdue"] = int(self.overdue)
        return values


def document(values: dict[str, Any], environment: str, milliseconds: int) -> dict[str, Any]:
    """One line of CloudWatch's embedded metric format, at `milliseconds` since 1970."""
    return {
        "_aws": {
            "Timestamp": milliseconds,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Environment"]],
                    "Metrics": [{"Name": name, "Unit": METRICS[name][0]} for name in values],
                }
            ],
        },
        "event": "probe",
        "Environment": environment,
        **values,
    }


def _spread(latencies: list[float]) -> dict[str, float] | None:
    if not latencies:
        return None
    ordered = sorted(latencies)
    return {"median": ordered[len(ordered) // 2], "longest": ordered[-1]}
