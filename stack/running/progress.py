"""Following a running stack operation: a line per resource when it is done, until the stack is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.status import Status

from stack.aws.clients import Cloud
from stack.aws.patience import patiently
from stack.aws.stacks import Stack
from stack.errors import INTERRUPTED, ToolError
from stack.files.templates import Template, in_words
from stack.running import causes, verdict
from stack.running.collector import Collector
from stack.running.durations import WHOLE, Durations
from stack.running.durations import in_words as left_in_words
from stack.running.evidence import Evidence
from stack.terminal import Terminal

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

_STACK = "AWS::CloudFormation::Stack"
# How often ECS, the balancer and the logs are asked, in seconds; while tasks are deployed, at every turn.
_LOOK_EVERY = 2.0
# After how many silent seconds a log gets a line that says what is waited for.
_HEARTBEAT = 20.0
# How many resources such a line names.
_SHOWN = 3
# What takes minutes, and why.
_SLOW = {
    "AWS::CertificateManager::Certificate": (
        "the authority looks for a DNS record, which CloudFormation makes in the hosted zone; takes minutes"
    ),
}
# Whose duration it is, by what follow() is told; anything else is an update.
_OPERATIONS = {"Creating": "create", "Deleting": "delete"}
_DONE_WORDS = {
    "CREATE_COMPLETE": "created",
    "UPDATE_COMPLETE": "updated",
    "DELETE_COMPLETE": "deleted",
    "DELETE_SKIPPED": "kept",
}
# How such a line begins.
_MARKS = {"created": "+", "updated": "~", "deleted": "-", "kept": "="}
# What a stack does next, where its status does not tell a newcomer.
_NEXT = {
    "ROLLBACK_IN_PROGRESS": "what was made is deleted again",
    "UPDATE_ROLLBACK_IN_PROGRESS": "it goes back to what it was",
    "UPDATE_ROLLBACK_COMPLETE": "it is as it was before",
    "ROLLBACK_COMPLETE": "nothing of it is left",
}


@dataclass
class Outcome:
    """How an operation ended: the stack's last status and what happened on the way."""

    status: str
    events: list[StackEventTypeDef] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def kept(self) -> list[StackEventTypeDef]:
        """Resources that a deletion left in place."""
        return [event for event in self.events if event.get("ResourceStatus") == "DELETE_SKIPPED"]


class Follower:
    """Follows one operation on one stack. Made before the operation starts, it knows what is old.

    With `running` the operation has begun already: its events so far are told first, and nothing is written.
    """

    def __init__(
        self, cloud: Cloud, terminal: Terminal, template: Template, stack: Stack, running: bool = False
    ) -> None:
        self._cloud = cloud = cloud.of(stack.id)
        self._terminal = terminal
        self._template = template
        self._stack = stack
        self._running = running
        events = verdict.all_events(cloud, stack.id)
        begun = verdict.of_last_operation(events, stack.id) if running else []
        self._seen = {event["EventId"] for event in events} - {event["EventId"] for event in begun}
        # When the operation began, where that was before this tool.
        self._since = begun[0]["Timestamp"] if begun else None
        self._collector = Collector(cloud, stack.id, since=self._since)
        if not running:
            self._collector.remember()
        # When each resource under way began, and the whole, on this machine's clock.
        self._begun: dict[str, float] = {}
        # What is under way: words by logical id.
        self._busy: dict[str, str] = {}
        self._services: set[str] = set()
        self._durations = Durations(cloud.environment, template.stack, "update")
        self._saw_end = False
        self._spoke = time.monotonic()

    def follow(self, verb: str, start: Callable[[], None]) -> Outcome:
        """Call `start`, then report until the stack rests. `verb` names the operation ("Creating ...").

        Raises a ToolError with exit code 130 when interrupted: the operation goes on without the tool.
        """
        started = time.monotonic() - self._ago(self._since)
        self._begun = {WHOLE: started}
        operation = _OPERATIONS.get(verb, "update")
        self._durations = Durations(self._cloud.environment, self._template.stack, operation)
        name = self._stack.name
        events: list[StackEventTypeDef] = []
        last_look = 0.0
        try:
            start()
            with self._status(f"{verb} {name}") as status:
                while True:
                    fresh = patiently(self._fresh)
                    events += fresh
                    if events and not self._collector.since:
                        self._collector.since = events[0]["Timestamp"]
                    for event in fresh:
                        self._report(event, started)
                    ended = self._ended(fresh)
                    # At once after a failure: the rollback that follows erases what is to be seen.
                    failed = any(event.get("ResourceStatus", "").endswith("_FAILED") for event in fresh)
                    deploying = not self._services.isdisjoint(self._busy)
                    if time.monotonic() - last_look > _LOOK_EVERY or deploying or ended or failed:
                        self._collector.look()
                        last_look = time.monotonic()
                    if ended:
                        if ended in _DONE_WORDS and not self._running:
                            self._durations.keep(events, self._stack.id)
                        return Outcome(ended, events, self._collector.evidence)
                    if status:
                        status.update(f"{verb} {name} {time.monotonic() - started:.0f} s, {self._waiting()}")
                    elif time.monotonic() - self._spoke > _HEARTBEAT:
                        self._line(started, f"still {self._waiting()}", "")
                    time.sleep(self._cloud.pause)
        except KeyboardInterrupt:
            raise ToolError(
                f"Interrupted. {verb} {name} goes on at {self._cloud.where} without this tool.",
                f"See how it goes on: make watch ENV={self._cloud.environment.name}",
                INTERRUPTED,
            ) from None

    @contextlib.contextmanager
    def _status(self, words: str) -> Iterator[Status | None]:
        summary = self._template.description.split(". ")[0].rstrip(".")
        self._terminal.say(f"{words} ({summary})" if summary else words, "bold")
        if not self._terminal.live:
            yield None
            return
        with self._terminal.err.status(words) as status:
            yield status

    def _fresh(self) -> list[StackEventTypeDef]:
        """Read events not seen before, oldest first; pages are read only as far as needed."""
        found: list[StackEventTypeDef] = []
        pages = self._cloud.cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=self._stack.id
        )
        for page in pages:
            fresh = [event for event in page["StackEvents"] if event["EventId"] not in self._seen]
            found += fresh
            if len(fresh) < len(page["StackEvents"]):
                break
        self._seen |= {event["EventId"] for event in found}
        return found[::-1]

    def _ended(self, fresh: list[StackEventTypeDef]) -> str:
        """Return the stack's final status, once its own event said that it rests and it does."""
        for event in fresh:
            own = event.get("ResourceType") == _STACK and event.get("PhysicalResourceId") == self._stack.id
            if own and event.get("ResourceStatus", "").endswith(("_COMPLETE", "_FAILED")):
                self._saw_end = True
        return patiently(self._final) if self._saw_end else ""

    def _final(self) -> str:
        found = self._cloud.cloudformation.describe_stacks(StackName=self._stack.id)["Stacks"]
        status = found[0]["StackStatus"] if found else "DELETE_COMPLETE"
        return "" if status.endswith("_IN_PROGRESS") else status

    def _report(self, event: StackEventTypeDef, started: float) -> None:
        logical_id = event.get("LogicalResourceId", "")
        status = event.get("ResourceStatus", "")
        kind = event.get("ResourceType", "")
        reason = event.get("ResourceStatusReason", "")
        if kind == _STACK and event.get("PhysicalResourceId") == self._stack.id:
            if status.endswith(("_COMPLETE", "_FAILED")) or "ROLLBACK" in status:
                style = "green" if status in _DONE_WORDS else "bold red"
                words = f"{status}, {_NEXT[status]}" if status in _NEXT else status
                self._line(started, f"{self._stack.name}: {words}", style, reason)
            return
        resource = self._template.resources.get(logical_id)
        words = resource.description if resource else in_words(kind)
        if status.endswith("_IN_PROGRESS"):
            self._begun.setdefault(logical_id, time.monotonic() - self._ago(event["Timestamp"]))
            self._busy[logical_id] = f"{words}: {_SLOW[kind]}" if kind in _SLOW else words
            if kind == "AWS::ECS::Service":
                self._services.add(logical_id)
            # The certificate's record; an operator whose zone is elsewhere has to make it by hand.
            if kind in _SLOW and "DNS Record" in reason:
                self._line(started, f"  {logical_id}: {reason}", "")
            return
        self._busy.pop(logical_id, None)
        self._begun.pop(logical_id, None)
        failed = status.endswith("_FAILED")
        done = _DONE_WORDS.get(status, status)
        mark = "!" if failed else _MARKS.get(done, "+")
        self._line(started, f"{mark} {logical_id}: {words}, {done}", "red" if failed else "", reason)

    def _line(self, started: float, words: str, style: str, reason: str = "") -> None:
        said = f" - {causes.plain(reason)}" if reason and style.endswith("red") else ""
        self._terminal.say(f"{time.monotonic() - started:7.1f} s  {words}{said}", style)
        self._spoke = time.monotonic()

    def _waiting(self) -> str:
        names = sorted(self._busy)
        left = left_in_words(self._durations.left(self._begun, time.monotonic()))
        left = f", {left}" if left else ""
        if not names:
            return f"waiting{left}"
        shown = ", ".join(f"{name} ({self._in_words(name)})" for name in names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"waiting for {shown}{more}{left}"

    @staticmethod
    def _ago(moment: datetime | None) -> float:
        """Seconds since CloudFormation's `moment`; 0 where its clock is ahead of this one."""
        return max(0.0, (datetime.now(UTC) - moment).total_seconds()) if moment else 0.0

    def _in_words(self, logical_id: str) -> str:
        """What a resource under way is; for a service also how far its deployment is."""
        doing = self._collector.doing if logical_id in self._services else ""
        return f"{self._busy[logical_id]}: {doing}" if doing else self._busy[logical_id]
