"""The API of CloudWatch Logs where MiniStack's finds other lines than AWS's, or finds them all at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud import emulator
from localcloud.logs.patterns import PatternError, parse
from localcloud.logs.search import PAGE_BYTES, PAGE_EVENTS, Event, Place, Search, TokenError, bytes_of

Request = dict[str, Any]

#: Newest first is for times from here on.
_NEWEST_FIRST_SINCE = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
#: Messages of one TestMetricFilter.
_MOST_SAMPLES = 50


class _RefusedError(ValueError):
    """A request that AWS refuses; `code` is the error's."""

    def __init__(self, message: str, code: str = "InvalidParameterException") -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Answer FilterLogEvents and TestMetricFilter; check what GetLogEvents and PutMetricFilter are asked."""
    logs = emulator.module("services.cloudwatch_logs")
    get, put_filter, handle = logs._get_log_events, logs._put_metric_filter, logs.handle_request

    def filtering(request: Request) -> Any:
        return logs.json_response(_filtered(request))

    def getting(request: Request) -> Any:
        _group(request)
        _limit(request)
        answer = get(request)
        if answer[0] >= 400:
            return answer
        events = json.loads(answer[2])["events"]
        fitting = _fitting(events, _forward(request))
        return answer if fitting == len(events) else get({**request, "limit": fitting})

    def putting_filter(request: Request) -> Any:
        parse(request.get("filterPattern", ""))
        return put_filter(request)

    async def handling(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Any:
        # MiniStack's own table has no TestMetricFilter.
        if headers.get("x-amz-target", "").endswith(".TestMetricFilter"):
            return refusing(lambda request: logs.json_response(_tested(request)))(json.loads(body))
        return await handle(method, path, headers, body, query_params)

    def refusing(handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def answer(request: Request) -> Any:
            try:
                return handler(request)
            except (PatternError, TokenError) as exc:
                return logs.error_response_json("InvalidParameterException", str(exc), 400)
            except _RefusedError as exc:
                return logs.error_response_json(exc.code, str(exc), 400)

        return answer

    logs._filter_log_events = refusing(filtering)
    logs._get_log_events = refusing(getting)
    logs._put_metric_filter = refusing(putting_filter)
    logs.handle_request = handling


def _filtered(request: Request) -> Request:
    streams = _streams(request, _group(request))
    start, limit = request.get("startTime"), _limit(request)
    oldest_first = request.get("startFromHead", True)
    after = Place.of(request["nextToken"]) if request.get("nextToken") else None
    if after:
        oldest_first = after.oldest_first
    if not oldest_first and (start or 0) < _NEWEST_FIRST_SINCE:
        raise _RefusedError("startFromHead=false needs a startTime on or after 2024-01-01T00:00:00Z.")
    pattern = parse(request.get("filterPattern", ""))
    search = Search(pattern, start, request.get("endTime"), limit, oldest_first, after)
    events, token = search.page(streams)
    return {"events": events, "searchedLogStreams": [], **({"nextToken": token} if token else {})}


def _tested(request: Request) -> Request:
    messages = request.get("logEventMessages") or []
    if not 1 <= len(messages) <= _MOST_SAMPLES:
        raise _RefusedError(f"logEventMessages has 1 to {_MOST_SAMPLES} members, not {len(messages)}.")
    pattern = parse(request.get("filterPattern", ""))
    found = [(number, message, pattern.match(message)) for number, message in enumerate(messages, 1)]
    return {"matches": [
        {"eventNumber": number, "eventMessage": message, "extractedValues": fields}
        for number, message, fields in found if fields is not None
    ]}  # fmt: skip


def _group(request: Request) -> Any:
    """The record of the log group that a request is about."""
    logs = emulator.module("services.cloudwatch_logs")
    if bool(request.get("logGroupName")) == bool(request.get("logGroupIdentifier")):
        raise _RefusedError("Give either logGroupName or logGroupIdentifier, and not both.")
    name = logs._resolve_log_group_name(request)
    if name not in logs._log_groups:
        raise _RefusedError("The specified log group does not exist.", "ResourceNotFoundException")
    return logs._log_groups[name]


def _streams(request: Request, group: Any) -> dict[str, list[Event]]:
    """The events of the streams that a request asks for, by the stream's name."""
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise _RefusedError("Give either logStreamNames or logStreamNamePrefix, and not both.")
    streams = group["streams"]
    if not names:
        return {name: of["events"] for name, of in streams.items() if name.startswith(prefix or "")}
    if any(name not in streams for name in names):
        raise _RefusedError("The specified log stream does not exist.", "ResourceNotFoundException")
    return {name: streams[name]["events"] for name in names}


def _limit(request: Request) -> int:
    limit = request.get("limit", PAGE_EVENTS)
    if not 1 <= limit <= PAGE_EVENTS:
        side = "greater than or equal to 1" if limit < 1 else f"less than or equal to {PAGE_EVENTS}"
        raise _RefusedError(f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy "
                            f"constraint: Member must have value {side}")  # fmt: skip
    return int(limit)


def _forward(request: Request) -> bool:
    """Whether GetLogEvents goes on towards newer events: its tokens say so, otherwise `startFromHead`."""
    token = request.get("nextToken")
    return token.startswith("f") if token else bool(request.get("startFromHead"))


def _fitting(events: list[Event], forward: bool) -> int:
    """How many events from the side where the page begins fit into one, at least one."""
    size = 0
    for count, event in enumerate(events if forward else reversed(events)):
        size += bytes_of(event)
        if count and size > PAGE_BYTES:
            return count
    return len(events)
