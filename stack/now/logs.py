"""What the tasks wrote, from CloudWatch Logs: of a while ago until now, or on and on."""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from stack.aws import endpoint
from stack.aws.clients import Cloud
from stack.errors import INTERRUPTED, OK, ToolError, usage
from stack.now import tasks
from stack.now.loglines import Line
from stack.terminal import Terminal

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Lines can come late: so far back each look goes again.
_OVERLAP_MILLISECONDS = 15_000
# FilterLogEvents may be called five times a second, by everybody together: seconds between two looks.
_LOOK_EVERY = 2.0
_LOOK_LOCALLY = 0.5


@dataclass(frozen=True)
class Source:
    """A log group that a container writes to, and how the names of its streams begin."""

    group: str
    prefix: str


@dataclass(frozen=True)
class Wanted:
    """Which lines: since when (ms since 1970), of which task (how its id begins), CloudWatch's pattern."""

    since: int
    task: str = ""
    pattern: str = ""


def since(words: str, now: datetime) -> int:
    """Turn "10m", "2h" or an ISO 8601 time into ms since 1970. Raises a usage ToolError."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", words)
    if found:
        moment = now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    else:
        try:
            moment = datetime.fromisoformat(words)
        except ValueError:
            raise usage(
                f'SINCE="{words}" is no time.',
                "Give 30s, 10m, 2h, 1d or a time such as 2026-11-01T12:00:00Z.",
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1000))


def run(cloud: Cloud, terminal: Terminal, wanted: Wanted, show: Callable[[Line], None], follow: bool) -> int:
    """Show the lines that there are; with `follow` go on until interrupted, and return 130 then."""
    endpoint.require(cloud)
    sources = _sources(cloud)
    reader = _Reader(cloud, wanted, sources)
    shown = 0
    try:
        for line in reader.fresh():
            show(line)
            shown += 1
        if not shown:
            terminal.say(f"No lines since {datetime.fromtimestamp(wanted.since / 1000, UTC):%F %T} UTC.")
        while follow:
            time.sleep(_LOOK_LOCALLY if cloud.environment.endpoint else _LOOK_EVERY)
            for line in reader.fresh():
                show(line)
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _sources(cloud: Cloud) -> list[Source]:
    """Where the containers of the environment's services log to, each once."""
    found: dict[Source, None] = {}
    for service in tasks.existing(cloud):
        definition = cloud.ecs.describe_task_definition(taskDefinition=service.definition)["taskDefinition"]
        for container in definition["containerDefinitions"]:
            log = container.get("logConfiguration", {})
            options = log.get("options", {})
            if log.get("logDriver") == "awslogs":
                prefix = f"{options['awslogs-stream-prefix']}/{container['name']}/"
                found[Source(options["awslogs-group"], prefix)] = None
    if not found:
        raise ToolError("No container of the service logs to CloudWatch Logs (log driver awslogs).")
    return list(found)


class _Reader:
    """Reads what is new since it last did, each event once."""

    def __init__(self, cloud: Cloud, wanted: Wanted, sources: list[Source]) -> None:
        self._cloud = cloud
        self._wanted = wanted
        self._sources = sources
        self._newest = wanted.since
        # Ids of the events within the overlap, and their times in the order of coming.
        self._seen: set[str] = set()
        self._times: deque[tuple[int, str]] = deque()

    def fresh(self) -> Iterator[Line]:
        """Give the lines not given before, oldest first."""
        start = max(self._wanted.since, self._newest - _OVERLAP_MILLISECONDS)
        found = (self._of(source, start) for source in self._sources)
        for event in heapq.merge(*found, key=lambda event: int(event["timestamp"])):
            if event["eventId"] in self._seen:
                continue
            self._remember(event["eventId"], event["timestamp"])
            yield Line(event["timestamp"], event["logStreamName"], event["message"].rstrip("\n"))

    def _remember(self, event_id: str, timestamp: int) -> None:
        self._seen.add(event_id)
        self._times.append((timestamp, event_id))
        self._newest = max(self._newest, timestamp)
        while self._times[0][0] < self._newest - _OVERLAP_MILLISECONDS:
            self._seen.discard(self._times.popleft()[1])

    def _of(self, source: Source, start: int) -> Iterator[Any]:
        prefix = source.prefix + self._wanted.task
        more: Any = {"filterPattern": self._wanted.pattern} if self._wanted.pattern else {}
        try:
            pages = self._cloud.logs.get_paginator("filter_log_events").paginate(
                logGroupName=source.group, logStreamNamePrefix=prefix, startTime=start, **more
            )
            for page in pages:
                # Not every endpoint knows prefixes.
                yield from (one for one in page["events"] if one["logStreamName"].startswith(prefix))
        except ClientError as error:
            if self._wanted.pattern and error.response["Error"].get("Code") == "InvalidParameterException":
                raise usage(
                    f"FILTER={self._wanted.pattern} is no pattern: {error.response['Error'].get('Message')}",
                    "For instance FILTER=timeout, or FILTER='{ $.status >= 500 }'.",
                ) from error
            raise
