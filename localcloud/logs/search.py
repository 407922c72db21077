"""FilterLogEvents: what matches in a log group, in the order of time, a page at a time."""

from __future__ import annotations

import base64
import heapq
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.logs.patterns import Pattern

Event = dict[str, Any]

#: What a page holds at most: events, and bytes of them.
PAGE_EVENTS, PAGE_BYTES = 10_000, 1024 * 1024
#: What CloudWatch Logs counts for an event besides its text.
_EVENT_BYTES = 26
#: Events looked at for one page. What then comes is a page that is not full, as on AWS, and everybody else is
#: answered in between.
_LOOK_AT = 20_000


class TokenError(ValueError):
    """A `nextToken` that is none of ours."""


@dataclass(frozen=True)
class Place:
    """The event that a page ended with."""

    oldest_first: bool
    timestamp: int
    ingested: int
    stream: str
    event_id: str

    def token(self) -> str:
        """The place as a `nextToken`."""
        return base64.urlsafe_b64encode(json.dumps(list(vars(self).values())).encode()).decode()

    @classmethod
    def of(cls, token: str) -> Place:
        """The place that a token stands for. Raises TokenError."""
        try:
            oldest_first, timestamp, ingested, stream, event_id = json.loads(base64.urlsafe_b64decode(token))
            return cls(bool(oldest_first), int(timestamp), int(ingested), str(stream), str(event_id))
        except (ValueError, TypeError) as exc:
            raise TokenError("The specified nextToken is invalid.") from exc


@dataclass(frozen=True)
class Search:
    """What is looked for: times in ms since 1970, both included."""

    pattern: Pattern
    start: int | None
    end: int | None
    limit: int
    oldest_first: bool = True
    after: Place | None = None

    def page(self, streams: dict[str, list[Event]]) -> tuple[list[Event], str | None]:
        """The next events of these streams (by time, each), and the token for more, None when that is all."""
        found: list[Event] = []
        size = 0
        last: tuple[Event, str] | None = None
        for looked_at, (event, stream) in enumerate(self._rest(streams)):
            if last and (looked_at == _LOOK_AT or len(found) == self.limit):
                return found, self._token(*last)
            if self.pattern.match(event["message"]) is not None:
                size += bytes_of(event)
                if found and last and size > PAGE_BYTES:
                    return found, self._token(*last)
                found.append({**event, "logStreamName": stream})
            last = event, stream
        return found, None

    def _token(self, event: Event, stream: str) -> str:
        return Place(self.oldest_first, *_order(event, stream), event["eventId"]).token()

    def _rest(self, streams: dict[str, list[Event]]) -> Iterator[tuple[Event, str]]:
        """Everything behind the last page, in order."""
        merged = heapq.merge(
            *(self._within(events, name) for name, events in streams.items()),
            key=lambda found: _order(*found), reverse=not self.oldest_first,
        )  # fmt: skip
        if self.after is None:
            yield from merged
            return
        last = (self.after.timestamp, self.after.ingested, self.after.stream)
        passed = False
        for event, stream in merged:
            here = _order(event, stream)
            if here == last and not passed:
                passed = event["eventId"] == self.after.event_id
            elif passed or (here > last if self.oldest_first else here < last):
                yield event, stream

    def _within(self, events: list[Event], stream: str) -> Iterator[tuple[Event, str]]:
        """A stream's events between the two times; from the last page's time on, if there was one."""
        start, end = self.start, self.end
        if self.after and self.oldest_first:
            start = max(start or 0, self.after.timestamp)
        elif self.after:
            end = self.after.timestamp if end is None else min(end, self.after.timestamp)
        first = 0 if start is None else bisect_left(events, start, key=_timestamp)
        last = len(events) if end is None else bisect_right(events, end, key=_timestamp)
        places = range(first, last) if self.oldest_first else range(last - 1, first - 1, -1)
        return ((events[place], stream) for place in places)


def bytes_of(event: Event) -> int:
    """What an event counts for in a page."""
    return len(event["message"].encode()) + _EVENT_BYTES


def _timestamp(event: Event) -> int:
    return int(event["timestamp"])


def _order(event: Event, stream: str) -> tuple[int, int, str]:
    return event["timestamp"], event["ingestionTime"], stream
