"""Collects what ECS, the load balancer and the logs know about a service while its stack is worked on.

The rollback that follows a failure erases it. What was there once is asked for again when the stack has let
go of it already: ECS knows tasks for a while after they stopped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Resource
from stack.running.evidence import Evidence, StoppedTask

T = TypeVar("T")

LOG_LINES = 20
# Lines that are read for that many: metrics that the service writes between them tell nothing here.
_READ_LINES = 60
_METRICS = '"CloudWatchMetrics"'
# A crash loop stops a task every few seconds; the first ones tell as much as the last.
_MAX_TASKS = 10
# DescribeTasks and DescribeAlarms take that many.
_AT_ONCE = 100
_UNHEALTHY = re.compile(
    r"\(port (?P<port>\d+)\) is unhealthy in .* due to \(reason (?P<reason>.*)\)", re.DOTALL
)
# What AWS answers about something that the rollback has deleted already.
_GONE = {
    "ClusterNotFoundException",
    "ServiceNotFoundException",
    "ServiceNotActiveException",
    "TargetGroupNotFound",
    "ResourceNotFoundException",
}


class Collector:
    """Looks at a stack's ECS services again and again; what it saw once it keeps."""

    def __init__(self, cloud: Cloud, stack_id: str, since: datetime | None = None) -> None:
        self._cloud = cloud.of(stack_id)
        self._stack_id = stack_id
        # What was there before the operation began says nothing about it: tasks that had stopped, events that
        # had been told, and tasks that an earlier deployment started. By its time too, as a cluster that was
        # made anew under the same name knows the tasks of the one before.
        self._old: set[str] = set()
        self.since = since
        self._resources: dict[str, Resource] = {}
        self.evidence = Evidence()
        # How far the service's deployment is, in words; "" where there is no service or nothing is under way.
        self.doing = ""

    def look(self) -> None:
        """Collect what is to be seen now. A look that fails is noted: it must not end the operation."""
        self._try(self._look_at_stack)
        clusters, services = self._of_type("AWS::ECS::Cluster"), self._of_type("AWS::ECS::Service")
        if not clusters or not services:
            return
        doing = next(
            filter(None, [self._try(self._look_at_service, clusters[0], one) for one in services]), ""
        )
        self._try(self._look_at_tasks, clusters[0])
        states: Counter[str] = Counter()
        for group in self._of_type("AWS::ElasticLoadBalancingV2::TargetGroup"):
            states += self._try(self._look_at_targets, group) or Counter()
        alarms = self._of_type("AWS::CloudWatch::Alarm")
        ringing = (self._try(self._ringing, alarms) or []) if doing else []
        self.doing = "; ".join([doing, *self._around(states, ringing)]) if doing else ""

    def remember(self) -> None:
        """Take everything that is to be seen now as old."""
        self._try(self._look_at_stack)
        for cluster in self._of_type("AWS::ECS::Cluster"):
            self._old |= {_id(arn) for arn in self._try(self._stopped, cluster) or []}
            for service in self._of_type("AWS::ECS::Service"):
                self._try(self._remember_service, cluster, service)
        self.evidence = Evidence()

    def _try(self, part: Callable[..., T], *about: Any) -> T | None:
        """Do one part of a look; None where it fails. That something is gone by now is no gap."""
        try:
            return part(*about)
        except (BotoCoreError, ClientError) as error:
            code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else ""
            gap = f"not everything could be collected: {error}"
            if code not in _GONE and gap not in self.evidence.gaps:
                self.evidence.gaps.append(gap)
        return None

    def _look_at_stack(self) -> None:
        for found in stacks.resources(self._cloud, self._stack_id):
            self._resources[found.physical_id] = found

    def _of_type(self, kind: str) -> list[str]:
        return stacks.of_type(self._resources.values(), kind)

    def _remember_service(self, cluster: str, service: str) -> None:
        for one in self._cloud.ecs.describe_services(cluster=cluster, services=[service])["services"]:
            self._old |= {event["id"] for event in one.get("events", [])}
            self._old |= {deployment["id"] for deployment in one.get("deployments", [])}

    def _look_at_tasks(self, cluster: str) -> None:
        arns = [arn for arn in self._stopped(cluster) if _id(arn) not in self._old]
        for first in range(0, len(arns), _AT_ONCE):
            some = arns[first : first + _AT_ONCE]
            for task in self._cloud.ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]:
                if not self._before(task.get("stoppedAt")):
                    self._note_task(task)

    def _stopped(self, cluster: str) -> list[str]:
        pages = self._cloud.ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="STOPPED")
        return [arn for page in pages for arn in page["taskArns"]]

    def _around(self, states: Counter[str], ringing: Sequence[str]) -> list[str]:
        """What else decides on a deployment: targets, alarms, and why the last task ended."""
        parts: list[str] = []
        if states:
            parts.append(
                "targets " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            )
        if ringing:
            parts.append(f"in ALARM: {', '.join(ringing)}")
        if telling := [task for task in self.evidence.tasks if task.tells and task.new]:
            last = telling[-1]
            parts.append(f"a task ended: {_short(last.reason) or 'no reason given'}")
        return parts

    def _ringing(self, alarms: list[str]) -> list[str]:
        found = [
            alarm["AlarmName"]
            for first in range(0, len(alarms), _AT_ONCE)
            for alarm in self._cloud.cloudwatch.describe_alarms(
                AlarmNames=alarms[first : first + _AT_ONCE], StateValue="ALARM"
            )["MetricAlarms"]
        ]
        self.evidence.alarms += [name for name in found if name not in self.evidence.alarms]
        return found

    def _look_at_service(self, cluster: str, service: str) -> str:
        """Note what the service says; return how far its deployment is."""
        doing = ""
        found = self._cloud.ecs.describe_services(cluster=cluster, services=[service])["services"]
        for one in found:
            doing = _doing(one.get("deployments", []))
            messages = [
                event["message"]
                for event in reversed(one.get("events", []))
                if event.get("id") not in self._old and not self._before(event.get("createdAt"))
            ]
            self._old |= {
                deployment["id"]
                for deployment in one.get("deployments", [])
                if self._before(deployment.get("createdAt"))
            }
            failed = [
                str(deployment["rolloutStateReason"])
                for deployment in one.get("deployments", [])
                if deployment.get("rolloutState") == "FAILED" and deployment.get("rolloutStateReason")
            ]
            for message in [*messages, *failed]:
                if message not in self.evidence.service_events:
                    self.evidence.service_events.append(message)
                    self._note_unhealthy(message)
        return doing

    def _note_unhealthy(self, message: str) -> None:
        """Note what an event says of a target that may be gone before anybody looks at it."""
        found = _UNHEALTHY.search(message)
        if found and not any(target.endswith(f":{found['port']}") for target in self.evidence.targets):
            self.evidence.targets[f"on port {found['port']}"] = found["reason"]

    def _before(self, moment: datetime | None) -> bool:
        """Say whether something happened before the operation began. ECS's times may be whole seconds."""
        return bool(self.since and moment and moment < self.since.replace(microsecond=0))

    def _note_task(self, task: Any) -> None:
        key = _id(task["taskArn"])
        known = self.evidence.stopped.get(key)
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
            code=task.get("stopCode", ""),
            at=_moment(task),
            new=task.get("startedBy") not in self._old,
        )
        alike = [one for one in self.evidence.stopped.values() if one.tells is noted.tells]
        if known is None and len(alike) >= _MAX_TASKS:
            return
        self.evidence.stopped[key] = noted
        # The driver may still be flushing when the task is first seen: look until there are lines.
        if not noted.log:
            noted.log = self._try(self._log_tail, key, self._of_type("AWS::Logs::LogGroup")) or []

    def _log_tail(self, task_id: str, log_groups: list[str]) -> list[str]:
        for group in log_groups:
            pages = self._cloud.logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
            for page in pages:
                for stream in page["logStreams"]:
                    if stream["logStreamName"].endswith(task_id):
                        events = self._cloud.logs.get_log_events(
                            logGroupName=group,
                            logStreamName=stream["logStreamName"],
                            limit=_READ_LINES,
                            startFromHead=False,
                        )["events"]
                        lines = [event["message"].rstrip("\n") for event in events]
                        return [line for line in lines if _METRICS not in line][-LOG_LINES:]
        return []

    def _look_at_targets(self, group: str) -> Counter[str]:
        """Note which targets are unhealthy; return how many are in which state."""
        health = self._cloud.elbv2.describe_target_health(TargetGroupArn=group)
        for one in health["TargetHealthDescriptions"]:
            state = one["TargetHealth"]
            if state.get("State") == "unhealthy":
                target = f"{one['Target']['Id']}:{one['Target'].get('Port', '')}"
                words = state.get("Description") or state.get("Reason") or "unhealthy"
                self.evidence.targets.pop(f"on port {one['Target'].get('Port', '')}", None)
                self.evidence.targets[target] = words
        return Counter(one["TargetHealth"].get("State", "") for one in health["TargetHealthDescriptions"])


def _id(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def _short(reason: str) -> str:
    """A reason without the ARNs in it, which fill a line and tell nobody anything."""
    return re.sub(r" in \(target-group arn:[^)]*\)", "", reason)


def _moment(task: Any) -> str:
    """When a task began to end, or else began."""
    names = ("stoppingAt", "stoppedAt", "createdAt")
    moment = next((task[name] for name in names if name in task), None)
    return moment.astimezone(UTC).isoformat() if moment else ""


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
