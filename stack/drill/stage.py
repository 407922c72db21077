"""What a drill acts on and watches: the service, its alarms and its traffic; and what puts it right."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Resource
from stack.drill.drill import NotHereError, NotSeenError, Result, Seen
from stack.drill.traffic import Traffic, headers
from stack.now import tasks
from stack.outside import access
from stack.outside.access import Token
from stack.outside.address import Address
from stack.terminal import Terminal

# Requests a second: enough that a share of them is many, and few enough for a quarter of a vCPU.
RATE = 40.0
# Seconds without a change after which tasks count as at rest: moving them between zones goes on by steps.
_REST = 3.0
# How often tasks and alarms are looked at, in seconds, for the plots.
_SAMPLE = 2.0


class Stage:
    """One drill's view of an environment; `restore` collects what puts things right, done last first."""

    def __init__(
        self, cloud: Cloud, terminal: Terminal, address: Address, token: str, result: Result
    ) -> None:
        self.cloud, self.address, self.token = cloud, address, token
        self.restore = ExitStack()
        self._terminal, self._result = terminal, result
        self._begun = time.monotonic()
        # Histories of alarms are kept in whole seconds.
        self.began = datetime.now(UTC).replace(microsecond=0)
        self._resources: dict[str, list[Resource]] = {}

    def resource(self, stack: str, logical_id: str) -> str:
        """A resource's physical id. Raises NotHereError where the environment has no such one."""
        for one in self.resources(stack):
            if one.logical_id == logical_id:
                return one.physical_id
        raise NotHereError(f"{self.cloud.environment.name} has no {logical_id} in a stack {stack}")

    def has(self, stack: str, logical_id: str) -> bool:
        """Whether the environment has a resource."""
        return any(one.logical_id == logical_id for one in self.resources(stack))

    def resources(self, stack: str) -> list[Resource]:
        """What a stack has, nothing where it is missing. No drill changes that: it is asked for once."""
        if stack not in self._resources:
            name = self.cloud.environment.stack_name(stack)
            there = stacks.describe(self.cloud, name) if stack in self.cloud.environment.stacks else None
            self._resources[stack] = stacks.resources(self.cloud, there.id) if there else []
        return self._resources[stack]

    def service(self) -> tasks.Service:
        """The environment's ECS service as it is now."""
        for stack in self.cloud.environment.stacks:
            if found := tasks.of_resources(self.cloud, self.resources(stack)):
                return found[0]
        raise NotHereError(f"{self.cloud.environment.name} has no ECS service")

    def alarm(self, stack: str, logical_id: str) -> str:
        """An alarm's state: OK, ALARM or INSUFFICIENT_DATA."""
        name = self.resource(stack, logical_id)
        found = self.cloud.of(stack).cloudwatch.describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms: list[Any] = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        if not alarms:
            raise NotHereError(f"{name} is in the stack {stack}, and CloudWatch has no such alarm")
        return str(alarms[0]["StateValue"])

    def new_token(self) -> Token:
        """Another token of its own, revoked when the drill is over."""
        return self.restore.enter_context(access.own_token(self.cloud, self._terminal, "drill"))

    def echo(self, text: str, fault: str = "") -> int:
        """Echo a string with the drill's token; returns the status.

        Raises OSError or http.client.HTTPException where no answer comes.
        """
        body = json.dumps({"str": text}).encode()
        return self.address.request("POST", "/echo", body, headers(self.token, fault)).status

    def status_of(self, token: str) -> int:
        """What a token gets now: 200, 401 once it is refused, 503 where nobody can verify it."""
        return self.address.request("GET", "/whoami", headers=headers(token)).status

    def note(self, what: str) -> None:
        """Say and keep something that was seen, with the seconds since the drill began."""
        after = time.monotonic() - self._begun
        self._result.seen.append(Seen(round(after, 1), what))
        self._terminal.say(f"  {after:6.1f} s  {what}")

    def wait(self, what: str, there: Callable[[], bool], minutes: float) -> None:
        """Wait until something is so, and note it. Raises NotSeenError."""
        begun = time.monotonic()
        while not there():
            if time.monotonic() - begun > minutes * 60:
                raise NotSeenError(f"waited {minutes:g} minutes for this in vain: {what}")
            time.sleep(self.cloud.pause)
        self.note(what)

    def wait_for_alarm(self, stack: str, logical_id: str, state: str, minutes: float) -> None:
        """Wait until an alarm is in a state; of ALARM it is enough that it was since the drill began.

        An alarm may go off and be over between two looks.
        """

        def there() -> bool:
            if self.alarm(stack, logical_id) == state:
                return True
            return state == "ALARM" and self._went_off(stack, logical_id)

        self.wait(f"{logical_id} is {state}", there, minutes)

    def wait_for_calm(self, stack: str, logical_id: str, minutes: float) -> None:
        """Wait until an alarm does not stand, as one that does already proves nothing."""
        self.wait(f"{logical_id} does not stand", lambda: self.alarm(stack, logical_id) != "ALARM", minutes)

    def _went_off(self, stack: str, logical_id: str) -> bool:
        history = self.cloud.of(stack).cloudwatch.describe_alarm_history(
            AlarmName=self.resource(stack, logical_id),
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            HistoryItemType="StateUpdate",
            StartDate=self.began,
        )
        return any(
            json.loads(one["HistoryData"])["newState"]["stateValue"] == "ALARM"
            for one in history["AlarmHistoryItems"]
        )

    def wait_for_service(self, minutes: float = 15.0) -> None:
        """Wait until every desired task runs and is healthy, and the same ones do for some seconds."""
        since: dict[frozenset[str], float] = {}

        def at_rest() -> bool:
            service = self.service()
            here = frozenset(task.id for task in service.tasks)
            if not is_well(service) or here not in since:
                since.clear()
                since[here] = time.monotonic()
            return is_well(service) and time.monotonic() - since[here] >= _REST

        self.wait("all tasks run and are healthy", at_rest, minutes)

    @contextmanager
    def traffic(self, rate: float = RATE, **options: Any) -> Iterator[Traffic]:
        """Requests in the background (options: Traffic's); rate, failures and times become series."""
        traffic = Traffic(self.address, self.token, rate, **options)
        try:
            with traffic:
                yield traffic
        finally:
            self._keep(traffic)

    @contextmanager
    def sampled(self, alarms: tuple[tuple[str, str], ...]) -> Iterator[None]:
        """Keep how many tasks run, and which of these alarms (as far as there are any) stand, as series."""
        end = threading.Event()
        there = tuple(one for one in alarms if self.has(*one))
        thread = threading.Thread(target=self._sample, args=(there, end), daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def _sample(self, alarms: tuple[tuple[str, str], ...], end: threading.Event) -> None:
        series = self._result.series
        while not end.wait(_SAMPLE):
            now = time.monotonic() - self._begun
            try:
                series.setdefault("running tasks", []).append((now, self.service().running))
                for stack, logical_id in alarms:
                    standing = self.alarm(stack, logical_id) == "ALARM"
                    series.setdefault(f"alarm {logical_id}", []).append((now, float(standing)))
            except (NotHereError, BotoCoreError, ClientError) as error:
                self._terminal.notice(f"a sample for the report is missing: {error}")

    def _keep(self, traffic: Traffic) -> None:
        seconds: dict[int, list[Any]] = {}
        for one in traffic.answered:
            seconds.setdefault(int(one.at - self._begun), []).append(one)
        for second, ones in sorted(seconds.items()):
            times = sorted(one.milliseconds for one in ones)
            failed = sum(one.failed for one in ones)
            for name, value in (
                ("requests a second", float(len(ones))),
                ("failed a second", float(failed)),
                ("p99 in ms", times[min(len(times) - 1, int(len(times) * 0.99))]),
            ):
                self._result.series.setdefault(name, []).append((float(second), value))


def is_well(service: tasks.Service) -> bool:
    """Whether all desired tasks run and are healthy where that is known, and no deployment is under way."""
    running = [task for task in service.tasks if task.status == "RUNNING"]
    return (
        service.desired == service.running == len(running)
        and service.pending == 0
        and service.rollout in ("", "COMPLETED")
        and all(task.health in ("HEALTHY", "UNKNOWN") and task.target in ("healthy", "") for task in running)
    )
