"""CloudWatch Logs: pages of lines, which lines they are, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.conformance.conftest import Account, new_name

#: Lines of each of the two streams: (seconds ago, text).
GOOD, BAD = '{"status": 200, "route": "/echo"}', '{"status": 500, "route": "/echo"}'
LINES = {
    "web/one": [(50, "ERROR timed out"), (40, "INFO done"), (20, BAD)],
    "web/two": [(45, "ERROR refused"), (30, GOOD), (10, "a.b INFO late")],
}
ORDER = ["ERROR timed out", "ERROR refused", "INFO done", GOOD, BAD, "a.b INFO late"]


class Group:
    """A log group, and what is in it."""

    def __init__(self, account: Account, name: str) -> None:
        self.client, self.name = account.client("logs"), name
        self.now = int(time.time() * 1000)

    def at(self, seconds_ago: float) -> int:
        return self.now - int(seconds_ago * 1000)

    def put(self, stream: str, *lines: tuple[int, str]) -> None:
        self.client.create_log_stream(logGroupName=self.name, logStreamName=stream)
        events = [{"timestamp": at, "message": text} for at, text in lines]
        if events:
            self.client.put_log_events(logGroupName=self.name, logStreamName=stream, logEvents=events)

    def filter(self, **options: Any) -> Any:
        return self.client.filter_log_events(logGroupName=self.name, **options)

    def found(self, **options: Any) -> list[str]:
        """The lines of all pages."""
        pages = self.client.get_paginator("filter_log_events").paginate(logGroupName=self.name, **options)
        return [event["message"] for page in pages for event in page["events"]]

    def refused(self, action: str = "filter_log_events", **options: Any) -> str:
        with pytest.raises(ClientError) as error:
            getattr(self.client, action)(**{"logGroupName": self.name, **options})
        return str(error.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def make_group(account: Account) -> Iterator[Callable[[], Group]]:
    client = account.client("logs")
    with ExitStack() as stack:

        def make() -> Group:
            name = new_name()
            client.create_log_group(logGroupName=name)
            stack.callback(client.delete_log_group, logGroupName=name)
            return Group(account, name)

        yield make


@pytest.fixture(scope="module")
def group(account: Account, make_group: Callable[[], Group]) -> Group:
    """One with the lines above, which nobody changes."""
    found = make_group()
    for stream, lines in LINES.items():
        found.put(stream, *((found.at(ago), text) for ago, text in lines))
    account.until(lambda: found.found() == ORDER)
    return found


def test_lines_of_all_streams_come_in_the_order_of_time(group: Group) -> None:
    answer = group.filter()
    assert [event["message"] for event in answer["events"]] == ORDER
    assert [event["logStreamName"] for event in answer["events"]][:3] == ["web/one", "web/two", "web/one"]
    assert all(event["eventId"] and event["ingestionTime"] for event in answer["events"])
    assert answer["searchedLogStreams"] == []
    assert "nextToken" not in answer


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_miss_nothing_and_repeat_nothing(group: Group, size: int) -> None:
    pages, more = [], {}
    while True:
        answer = group.filter(limit=size, **more)
        pages.append([event["message"] for event in answer["events"]])
        if "nextToken" not in answer:
            break
        more = {"nextToken": answer["nextToken"]}
    assert [line for page in pages for line in page] == ORDER
    assert max(map(len, pages)) == size


def test_newest_first(group: Group) -> None:
    assert group.found(startTime=group.at(60), startFromHead=False, limit=2) == ORDER[::-1]
    assert group.refused(startFromHead=False, startTime=0) == "InvalidParameterException"


def test_streams_by_name_and_by_prefix(group: Group) -> None:
    two = [text for _, text in LINES["web/two"]]
    assert group.found(logStreamNames=["web/two"]) == two
    assert group.found(logStreamNamePrefix="web/t") == two
    assert group.found(logStreamNamePrefix="web/") == ORDER
    assert group.found(logStreamNamePrefix="eb/") == []
    assert group.refused(logStreamNames=["web/three"]) == "ResourceNotFoundException"
    assert (
        group.refused(logStreamNames=["web/two"], logStreamNamePrefix="web/") == "InvalidParameterException"
    )


def test_both_times_are_included(group: Group) -> None:
    assert group.found(startTime=group.at(45), endTime=group.at(30)) == ORDER[1:4]
    assert group.found(startTime=group.at(44.999), endTime=group.at(30.001)) == ORDER[2:3]


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        ("ERROR", [0, 1]),
        ("error", []),
        ("ERROR -refused", [0]),
        ('"timed out"', [0]),
        ("?done ?refused", [1, 2]),
        ('"a.b"', [5]),
        ("%ERR.R%", [0, 1]),
        ('{ $.status >= 500 && $.route = "/echo" }', [4]),
        ('{ $.status = 2* || $.route = "/nothing" }', [3]),
        ("{ $.user NOT EXISTS }", [3, 4]),
        ("{ $.status IS NULL }", []),
        ("[level = ERROR, what, ...]", [0, 1]),
    ],
)  # fmt: skip
def test_patterns(group: Group, pattern: str, places: list[int]) -> None:
    assert group.found(filterPattern=pattern) == [ORDER[place] for place in places]


@pytest.mark.parametrize("pattern", ["a.b", "{ $.status >= }", "%a!%", "{ $.status = 1"])
def test_what_is_no_pattern_is_refused(group: Group, pattern: str) -> None:
    assert group.refused(filterPattern=pattern) == "InvalidParameterException"
    transformation = {"metricName": "n", "metricNamespace": "conformance", "metricValue": "1"}
    assert (
        group.refused("put_metric_filter", filterName="f", filterPattern=pattern,
                      metricTransformations=[transformation])
        == "InvalidParameterException"
    )  # fmt: skip


def test_limits_and_tokens_are_checked(group: Group) -> None:
    for action, more in (("filter_log_events", {}), ("get_log_events", {"logStreamName": "web/one"})):
        assert group.refused(action, limit=10_001, **more) == "InvalidParameterException"
        assert group.refused(action, nextToken="no token", **more) == "InvalidParameterException"
        assert group.refused(action, logGroupIdentifier=group.name, **more) == "InvalidParameterException"
        assert (
            group.refused(action, logGroupName="conformance-nothing", **more) == "ResourceNotFoundException"
        )


def test_a_stream_is_read_forwards_and_backwards(group: Group) -> None:
    one, stream = (
        [text for _, text in LINES["web/one"]],
        {"logGroupName": group.name, "logStreamName": "web/one"},
    )
    first = group.client.get_log_events(**stream, startFromHead=True, limit=2)
    assert [event["message"] for event in first["events"]] == one[:2]
    rest = group.client.get_log_events(**stream, startFromHead=True, nextToken=first["nextForwardToken"])
    assert [event["message"] for event in rest["events"]] == one[2:]
    end = group.client.get_log_events(**stream, startFromHead=True, nextToken=rest["nextForwardToken"])
    assert (end["events"], end["nextForwardToken"]) == ([], rest["nextForwardToken"])
    last = group.client.get_log_events(**stream, limit=2)
    assert [event["message"] for event in last["events"]] == one[1:]
    before = group.client.get_log_events(**stream, nextToken=last["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == one[:1]


def test_the_end_time_of_a_stream_is_not_included(group: Group) -> None:
    found = group.client.get_log_events(
        logGroupName=group.name, logStreamName="web/two", startTime=group.at(45), endTime=group.at(30)
    )
    assert [event["message"] for event in found["events"]] == ["ERROR refused"]


def test_a_page_holds_a_megabyte(account: Account, make_group: Callable[[], Group]) -> None:
    group, lines = make_group(), [f"{number}{'x' * 200_000}" for number in range(7)]
    # A request that puts events may bring no more than a page holds either.
    for number, stream in enumerate(("even", "odd")):
        group.put(stream, *((group.at(9 - place), lines[place]) for place in range(number, 7, 2)))
    account.until(lambda: group.found() == lines)
    assert len(group.filter()["events"]) <= 5


def test_a_page_of_a_stream_holds_a_megabyte(account: Account, make_group: Callable[[], Group]) -> None:
    group, lines = make_group(), [f"{number}{'x' * 200_000}" for number in range(7)]
    stream = {"logGroupName": group.name, "logStreamName": "only"}
    events = [{"timestamp": group.at(9 - place), "message": line} for place, line in enumerate(lines)]
    group.put("only")
    for part in (events[:4], events[4:]):
        group.client.put_log_events(**stream, logEvents=part)
    account.until(lambda: group.found() == lines)
    for forward, token in ((True, "nextForwardToken"), (False, "nextBackwardToken")):
        first = group.client.get_log_events(**stream, startFromHead=forward)
        page = [event["message"] for event in first["events"]]
        assert 1 <= len(page) <= 5
        assert page == (lines[: len(page)] if forward else lines[-len(page) :])
        rest = group.client.get_log_events(**stream, startFromHead=forward, nextToken=first[token])["events"]
        beyond = lines[len(page) :] if forward else lines[: -len(page)]
        assert rest[0 if forward else -1]["message"] == beyond[0 if forward else -1]


def test_a_metric_filter_is_tried(account: Account) -> None:
    found = account.client("logs").test_metric_filter(
        filterPattern="{ $.status >= 500 }", logEventMessages=['{"status": 200}', '{"status": 503}', "none"]
    )["matches"]
    assert found == [
        {"eventNumber": 2, "eventMessage": '{"status": 503}', "extractedValues": {"$.status": "503"}}
    ]
