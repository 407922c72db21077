"""What ECS, the load balancer and the logs know about a failing service.

Collected while an operation runs, because the rollback that follows a failure erases it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from stack import stacks
from stack.clients import Cloud

LOG_LINES = 20
# A crash loop stops a task every few seconds; the first ones tell as much as the last.
_MAX_TASKS = 10


@dataclass
class StoppedTask:
    """A task that ended: when ECS says why, and how each container went, with its last log lines."""

    id: str
    task_definition: str
    reason: str
    containers: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


@dataclass
class Evidence:
    """Everything collected during one operation on one stack."""

    stopped: dict[str, StoppedTask] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    service_events: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data to keep in a file."""
        return {
            "stopped_tasks": [asdict(task) for task in self.stopped.values()],
            "unhealthy_targets": self.targets,
            "service_events": self.service_events,
            "gaps": self.gaps,
        }


class Collector:
    """Looks at a stack's ECS services again and again; what it saw once it keeps."""

    def __init__(self, cloud: Cloud, stack_id: str, since: datetime | None = None) -> None:
        self._cloud = cloud
        self._stack_id = stack_id
        # Tasks that had stopped before the operation began say nothing about it.
        self._old: set[str] = set()
        self._since = since
        self.evidence = Evidence()
        # How far the service's deployment is, in words; "" where there is no service or nothing is under way.
        self.doing = ""

    def look(self) -> None:
        """Collect what is to be seen now. A look that fails is noted: it must not end the operation."""
        try:
            self._look()
        except (BotoCoreError, ClientError) as error:
            gap = f"not everything could be collected: {error}"
            if gap not in self.evidence.gaps:
                self.evidence.gaps.append(gap)

    def remember_stopped(self) -> None:
        """Take every task that is stopped now as old."""
        self.look()
        self._old |= set(self.evidence.stopped)
        self.evidence = Evidence()

    def _look(self) -> None:
        found = stacks.resources(self._cloud, self._stack_id)
        clusters = stacks.of_type(found, "AWS::ECS::Cluster")
        services = stacks.of_type(found, "AWS::ECS::Service")
        if not clusters or not services:
            return
        cluster = clusters[0]
        doing = self._look_at_service(cluster, services[0])
        for task in self._stopped_tasks(cluster):
            self._note_task(task, stacks.of_type(found, "AWS::Logs::LogGroup"))
        states: Counter[str] = Counter()
        for group in stacks.of_type(found, "AWS::ElasticLoadBalancingV2::TargetGroup"):
            states += self._look_at_targets(group)
        ringing = self._ringing(stacks.of_type(found, "AWS::CloudWatch::Alarm")) if doing else []
        self.doing = "; ".join([doing, *self._around(states, ringing)]) if doing else ""

    def _around(self, states: Counter[str], ringing: Sequence[str]) -> list[str]:
        """What else decides on a deployment: targets, alarms, and why the last task ended."""
        parts: list[str] = []
        if states:
            parts.append(
                "targets " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            )
        if ringing:
            parts.append(f"in ALARM: {', '.join(ringing)}")
        if self.evidence.stopped:
            last = list(self.evidence.stopped.values())[-1]
            parts.append(f"a task ended: {last.reason or 'no reason given'}")
        return parts

    def _ringing(self, alarms: list[str]) -> list[str]:
        # DescribeAlarms takes a hundred names.
        return [
            alarm["AlarmName"]
            for first in range(0, len(alarms), 100)
            for alarm in self._cloud.cloudwatch.describe_alarms(
                AlarmNames=alarms[first : first + 100], StateValue="ALARM"
            )["MetricAlarms"]
        ]

    def _look_at_service(self, cluster: str, service: str) -> str:
        """Note what the service says; return how far its deployment is."""
        doing = ""
        found = self._cloud.ecs.describe_services(cluster=cluster, services=[service])["services"]
        for one in found:
            doing = _doing(one.get("deployments", []))
            messages = [event["message"] for event in reversed(one.get("events", []))]
            failed = [
                str(deployment["rolloutStateReason"])
                for deployment in one.get("deployments", [])
                if deployment.get("rolloutState") == "FAILED" and deployment.get("rolloutStateReason")
            ]
            for message in [*messages, *failed]:
                if message not in self.evidence.service_events:
                    self.evidence.service_events.append(message)
        return doing

    def _stopped_tasks(self, cluster: str) -> Iterator[Any]:
        pages = self._cloud.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="STOPPED")
        for page in pages:
            fresh = [arn for arn in page["taskArns"] if arn.rsplit("/", 1)[-1] not in self._old]
            if fresh:
                for task in self._cloud.ecs.describe_tasks(cluster=cluster, tasks=fresh)["tasks"]:
                    if not self._since or task.get("stoppedAt", self._since) >= self._since:
                        yield task

    def _note_task(self, task: Any, log_groups: list[str]) -> None:
        key = task["taskArn"].rsplit("/", 1)[-1]
        known = self.evidence.stopped.get(key)
        if known is None and len(self.evidence.stopped) >= _MAX_TASKS:
            return
        noted = StoppedTask(
            id=key,
            task_definition=task["taskDefinitionArn"].rsplit("/", 1)[-1],
            reason=task.get("stoppedReason", ""),
            containers=[
                {
                    "name": container.get("name", ""),
                    "exit_code": container.get("exitCode"),
                    "reason": container.get("reason", ""),
                }
                for container in task.get("containers", [])
            ],
            log=known.log if known else [],
        )
        self.evidence.stopped[key] = noted
        # The driver may still be flushing when the task is first seen: look until there are lines.
        if not noted.log:
            noted.log = self._log_tail(key, log_groups)

    def _log_tail(self, task_id: str, log_groups: list[str]) -> list[str]:
        for group in log_groups:
            pages = self._cloud.logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
            for page in pages:
                for stream in page["logStreams"]:
                    if stream["logStreamName"].endswith(task_id):
                        events = self._cloud.logs.get_log_events(
                            logGroupName=group,
                            logStreamName=stream["logStreamName"],
                            limit=LOG_LINES,
                            startFromHead=False,
                        )["events"]
                        return [event["message"].rstrip("\n") for event in events]
        return []

    def _look_at_targets(self, group: str) -> Counter[str]:
        """Note which targets are unhealthy; return how many are in which state."""
        health = self._cloud.elbv2.describe_target_health(TargetGroupArn=group)
        for one in health["TargetHealthDescriptions"]:
            state = one["TargetHealth"]
            if state.get("State") == "unhealthy":
                target = f"{one['Target']['Id']}:{one['Target'].get('Port', '')}"
                words = state.get("Description") or state.get("Reason") or "unhealthy"
                self.evidence.targets[target] = words
        return Counter(one["TargetHealth"].get("State", "") for one in health["TargetHealthDescriptions"])


def _doing(deployments: Sequence[Any]) -> str:
    """Say how far the newest of a service's deployments is; an empty string when it is done."""
    new = [one for one in deployments if one.get("status") == "PRIMARY"]
    if not new or new[0].get("rolloutState") != "IN_PROGRESS":
        return ""
    running, desired = new[0].get("runningCount", 0), new[0].get("desiredCount", 0)
    old = sum(one.get("runningCount", 0) for one in deployments if one.get("status") != "PRIMARY")
    if desired and running >= desired:
        return f"all {running} new tasks run, {old} old ones; health, alarms and bake time are waited for"
    more = "".join(
        f", {count} {word}"
        for word, count in (
            ("start", new[0].get("pendingCount", 0)),
            ("failed", new[0].get("failedTasks", 0)),
        )
        if count
    )
    return f"{running} of {desired} new tasks run{more}, {old} old ones"
