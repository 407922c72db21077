"""Which incidents page, which make a ticket, and after how long: the alarms of slo.yaml on simulated traffic.

`python -m bench.burnrate` prints the table of docs/slo.md. Thresholds, windows and expressions are the
template's own, as `prod` gets them; the local cloud's metric math evaluates them, minute by minute, with
windows that slide as CloudWatch's do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from localcloud.metrics.distribution import percentage
from localcloud.metrics.expression import evaluate_all
from stack.files import environment
from stack.scan.templates import resolved, resolved_with

ROOT = Path(__file__).parents[1]
ENVIRONMENT, STACK = "prod", "slo"
# Four days of peace before, so that the longest window knows nothing else.
BEFORE = 4 * 24 * 60
AFTER = 4 * 24 * 60
# Seconds of an answer in time and of a late one, on either side of any objective.
_IN_TIME, _LATE = 0.02, 5.0
_OPERANDS = re.compile(r'ALARM\("\$\{(\w+)\}"\)')


@dataclass(frozen=True)
class Incident:
    """For `minutes`, `bad` of the requests fail and `slow` of them are late; `a_minute` requests come.

    With `no_tasks` the balancer answers everything with 503 by itself.
    """

    what: str
    minutes: int
    bad: float = 0.0
    slow: float = 0.0
    a_minute: float = 6000
    no_tasks: bool = False


INCIDENTS = (
    Incident("no task left: the balancer answers 503 to all", 30, no_tasks=True),
    Incident("everything fails", 30, bad=1.0),
    Incident("everything fails for one minute", 1, bad=1.0),
    Incident("one request in twenty fails for one minute", 1, bad=0.05),
    Incident("one request in twenty fails", 120, bad=0.05),
    Incident("0.8 % fail", 600, bad=0.008),
    Incident("0.4 % fail, all day", 1440, bad=0.004),
    Incident("0.15 % fail, for four days", 5760, bad=0.0015),
    Incident("0.05 % fail, half of what may", 5760, bad=0.0005),
    Incident("at night: 10 requests an hour, one fails", 60, bad=0.1, a_minute=1 / 6),
    Incident("at night: 10 requests an hour, all fail", 240, bad=1.0, a_minute=1 / 6),
    Incident("half of the answers are late", 60, slow=0.5),
    Incident("8 % of the answers are late", 600, slow=0.08),
    Incident("1.5 % of the answers are late, for four days", 5760, slow=0.015),
    Incident("half of the answers are late for one minute", 1, slow=0.5),
)


@dataclass(frozen=True)
class Found:
    """Minutes until an alarm, and from the incident's end until it is over; None where there was none."""

    alarm: str
    after: int
    over: int | None


def template(**parameters: str) -> Mapping[str, Any]:
    """Resources of slo.yaml as the environment gets them, or with other parameters."""
    found = environment.load(ROOT, ENVIRONMENT)
    stack = resolved(found)[STACK]
    if parameters:
        texts = {name: str(value) for name, value in stack.values.items() if ":" not in name} | parameters
        stack = resolved_with(found, STACK, found.templates[STACK].document, texts, {})
    return stack.resources


def simulate(incident: Incident, resources: Mapping[str, Any]) -> list[Found]:
    """Let the incident happen; return what rang, in the order of the template's composite alarms."""
    start, end = BEFORE, BEFORE + incident.minutes
    minutes = end + AFTER
    metrics = _metrics(incident, start, end, minutes)
    ringing = {
        name: _ringing(resource["Properties"], metrics, minutes)
        for name, resource in resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "RequestCount" in str(resource["Properties"])
    }
    found = []
    for name, resource in resources.items():
        if resource["Type"] != "AWS::CloudWatch::CompositeAlarm":
            continue
        parts = [_OPERANDS.findall(part) for part in _rule(resource).split(" OR ")]
        if not {alarm for part in parts for alarm in part} <= ringing.keys():
            continue
        rings = [
            minute
            for minute in range(minutes)
            if any(all(ringing[alarm][minute] for alarm in part) for part in parts)
        ]
        if rings:
            over = rings[-1] + 1 - end
            found.append(Found(name, rings[0] + 1 - start, over if rings[-1] + 1 < minutes else None))
    return found


def _rule(resource: Mapping[str, Any]) -> str:
    rule = resource["Properties"]["AlarmRule"]
    return str(rule["Fn::Sub"] if isinstance(rule, dict) else rule)


def _metrics(incident: Incident, start: int, end: int, minutes: int) -> dict[str, list[float]]:
    """Per minute: what the balancer counts. Peace is without errors; requests are whole ones over time."""
    rate = incident.a_minute
    whole = [int((at + 1) * rate) - int(at * rate) for at in range(minutes)]
    there = [start <= at < end for at in range(minutes)]
    lost = [count if on and incident.no_tasks else 0 for count, on in zip(whole, there, strict=True)]
    taken = [count - gone for count, gone in zip(whole, lost, strict=True)]
    hit = list(accumulate(count if on else 0 for count, on in zip(taken, there, strict=True)))

    def share(part: float) -> list[float]:
        # The part of all requests so far, rounded, so that parts of a request add up.
        sums = [round(total * part) for total in hit]
        return [float(now - before) for now, before in zip(sums, [0, *sums], strict=False)]

    return {
        "RequestCount": [float(count) for count in taken],
        "HTTPCode_Target_5XX_Count": share(incident.bad),
        "HTTPCode_ELB_5XX_Count": [float(count) for count in lost],
        "HTTPCode_ELB_503_Count": [float(count) for count in lost],
        "late": share(incident.slow),
    }


def _ringing(alarm: Mapping[str, Any], metrics: Mapping[str, Sequence[float]], minutes: int) -> list[bool]:
    """Whether an alarm stands at the end of each minute."""

    def fetch(stat: Mapping[str, Any]) -> dict[int, float]:
        window = int(stat["Period"]) // 60
        if stat["Stat"] == "Sum":
            # Without a request there is no datapoint, as on AWS.
            return {at: total for at, total in _sums(metrics[stat["Metric"]["MetricName"]], window) if total}
        percent = percentage(stat["Stat"])
        if percent is None:
            raise ValueError(f"there is no simulation of {stat['Stat']}")
        late = dict(_sums(metrics["late"], window))
        return {
            at: _LATE if late[at] > total * (1 - percent / 100) else _IN_TIME
            for at, total in _sums(metrics["RequestCount"], window)
            if total
        }

    wanted = next(query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True))
    series = evaluate_all(alarm["Metrics"], fetch, 60, 0, minutes)[wanted]
    how = (alarm["ComparisonOperator"], alarm["EvaluationPeriods"], alarm["TreatMissingData"])
    if not isinstance(series, dict) or how != ("GreaterThanThreshold", 1, "notBreaching"):
        raise ValueError(f"there is no simulation of such an alarm: {how}")
    return [series.get(at, 0.0) > float(alarm["Threshold"]) for at in range(minutes)]


def _sums(values: Sequence[float], window: int) -> Iterator[tuple[int, float]]:
    """The sum of the last `window` minutes, for each minute."""
    total = list(accumulate(values, initial=0.0))
    for at in range(len(values)):
        yield at, total[at + 1] - total[max(0, at + 1 - window)]


def table() -> str:
    """The table of docs/slo.md."""
    resources = template()
    lines = ["| what happens | for | page after | over after | ticket after |", "|---|---|---|---|---|"]
    for incident in INCIDENTS:
        found = simulate(incident, resources)
        pages = [one for one in found if one.alarm.endswith("Page")]
        tickets = [one for one in found if one.alarm.endswith("Ticket")]
        page = ", ".join(f"{_time(one.after)} ({one.alarm})" for one in pages) or "none"
        over = ", ".join(_time(one.over) for one in pages) or ""
        ticket = ", ".join(f"{_time(one.after)} ({one.alarm})" for one in tickets) or "none"
        lines.append(f"| {incident.what} | {_time(incident.minutes)} | {page} | {over} | {ticket} |")
    return "\n".join(lines) + "\n"


def _time(minutes: int | None) -> str:
    if minutes is None:
        return "more than four days"
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    return " ".join([*parts, f"{rest} min"] if rest or not hours else parts)


if __name__ == "__main__":
    print(table(), end="")
