"""What of a log group is kept when there is more than that."""

from __future__ import annotations

import threading
from typing import Any

from localcloud.logs.limits import trim


def _stream(*times: int) -> dict[str, Any]:
    return {"events": [{"timestamp": time} for time in times], "firstEventTimestamp": times[0]}


def _kept(*streams: dict[str, Any]) -> list[list[int]]:
    trim(streams, threading.Lock(), kept=4, slack=2)
    return [[event["timestamp"] for event in stream["events"]] for stream in streams]


def test_the_oldest_lines_of_all_streams_go() -> None:
    streams = [_stream(1, 2, 9), _stream(3, 4), _stream(5, 6)]
    assert _kept(*streams) == [[9], [4], [5, 6]]
    assert [stream["firstEventTimestamp"] for stream in streams] == [9, 4, 5]


def test_nothing_goes_while_there_is_slack() -> None:
    assert _kept(_stream(1, 2, 3), _stream(4, 5, 6)) == [[1, 2, 3], [4, 5, 6]]


def test_a_stream_can_be_left_with_nothing() -> None:
    stream = _stream(1, 2)
    assert _kept(stream, _stream(3, 4, 5, 6, 7)) == [[], [4, 5, 6, 7]]
    assert stream["firstEventTimestamp"] is None
