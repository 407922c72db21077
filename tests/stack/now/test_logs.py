"""The tasks' lines: which are asked for, each once, and what people and scripts see of them."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import INTERRUPTED, OK, USAGE, ToolError
from stack.now import logs
from stack.now.loglines import Line
from stack.now.logs import Wanted
from stack.terminal import Terminal
from tests.stack import services

AT = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)
MILLISECONDS = int(AT.timestamp() * 1000)
REQUEST = {
    "time": "x",
    "event": "request",
    "request_id": "r1",
    "trace_id": "",
    "method": "POST",
    "path": "/echo",
    "status": 503,
    "ms": 1.5,
    "bytes_in": 7,
    "bytes_out": 9,
    "source": "192.0.2.1",
    "token": "t1",
}


def line(text: str | dict[str, Any]) -> Line:
    written = text if isinstance(text, str) else json.dumps(text)
    return Line(MILLISECONDS, "task/service/0123456789abcdef", written)


@pytest.mark.parametrize(
    ("text", "said", "style"),
    [
        (
            REQUEST,
            "12:00:00.250  01234567  503      POST /echo  1.5 ms, 7 B in, 9 B out, "
            "from 192.0.2.1, token t1, request_id r1",
            "red",
        ),
        ({**REQUEST, "status": 404}, "12:00:00.250  01234567  404      POST /echo", "yellow"),
        ("[2026-11-01 12:00:00 +0000] [7] [ERROR] boom", "12:00:00.250  01234567  ERROR    boom", "red"),
        ('{"level": "WARNING", "message": "late", "by": 3}', "01234567  WARNING  late by=3", "yellow"),
        (
            {"event": "metrics", "_aws": {}, "Requests": 2, "Throttled": 0},
            "01234567  metrics  Requests=2",
            "",
        ),
        ({"event": "websocket", "code": 1000, "token": ""}, "01234567  websocket  code=1000", ""),
        ("plain", "12:00:00.250  01234567           plain", ""),
        ("{broken", "01234567           {broken", ""),
        ("\x1b[2Jgone\tx", "01234567           \\x1b[2Jgone\tx", ""),
    ],
)
def test_a_line_for_people(text, said, style):
    pretty = line(text).pretty()
    assert said in pretty[0]
    assert pretty[1] == style


def test_a_line_for_scripts():
    assert json.loads(line(REQUEST).as_json()) == {
        "time": "2026-11-01T12:00:00.250+00:00",
        "task": "0123456789abcdef",
        "stream": "task/service/0123456789abcdef",
        "message": REQUEST,
    }
    assert json.loads(line("[1, 2]").as_json())["message"] == "[1, 2]"


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("30s", AT - timedelta(seconds=30)),
        ("10m", AT - timedelta(minutes=10)),
        ("2h", AT - timedelta(hours=2)),
        ("1d", AT - timedelta(days=1)),
        ("2026-11-01T11:00:00Z", AT.replace(hour=11, microsecond=0)),
        ("2026-11-01T11:00:00", AT.replace(hour=11, microsecond=0)),
    ],
)
def test_since(words, moment):
    assert logs.since(words, AT) == int(moment.timestamp() * 1000)


@pytest.mark.parametrize("words", ["", "10", "soon", "-5m", "10 m"])
def test_a_time_that_is_none_is_wrong_use(words):
    with pytest.raises(ToolError) as raised:
        logs.since(words, AT)
    assert raised.value.code == USAGE
    assert "10m" in raised.value.hint


@pytest.fixture
def cloud(cloud, monkeypatch) -> Cloud:
    monkeypatch.setattr(stacks, "look_all", lambda *_: {"service": services.STACK})
    monkeypatch.setattr(logs, "_LOOK_LOCALLY", 0)
    return cloud


def prepare(cloud: Cloud, log: dict[str, Any]):
    ecs = services.stubbed(cloud, "ecs")
    services.describe_service(cloud, ecs)
    container = {"name": "service", "logConfiguration": log} if log else {"name": "service"}
    ecs.add_response("describe_task_definition", {"taskDefinition": {"containerDefinitions": [container]}})
    ecs.activate()
    return services.stubbed(cloud, "logs")


AWSLOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-stream-prefix": "task"}}


def event(number: int, at: int, stream: str = "task/service/abc") -> dict[str, Any]:
    return {"eventId": str(number), "timestamp": at, "message": f"line {number}\n", "logStreamName": stream}


def test_following_shows_each_line_once_even_late_ones_until_it_is_interrupted(cloud, monkeypatch):
    asked = {"logGroupName": "g", "logStreamNamePrefix": "task/service/ab", "filterPattern": "line"}
    stub = prepare(cloud, AWSLOGS)
    first = [event(1, MILLISECONDS), event(9, MILLISECONDS, "task/other/abc")]
    stub.add_response(
        "filter_log_events", {"events": first, "nextToken": "n"}, {**asked, "startTime": MILLISECONDS - 99}
    )
    stub.add_response(
        "filter_log_events",
        {"events": [event(2, MILLISECONDS + 60_000)]},
        {**asked, "startTime": MILLISECONDS - 99, "nextToken": "n"},
    )
    again = [event(3, MILLISECONDS + 50_000), event(2, MILLISECONDS + 60_000)]
    stub.add_response("filter_log_events", {"events": again}, {**asked, "startTime": MILLISECONDS + 45_000})
    seen: list[str] = []

    def show(one: Line) -> None:
        seen.append(one.text)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with stub:
        wanted = Wanted(MILLISECONDS - 99, "ab", "line")
        assert logs.run(cloud, Terminal(), wanted, show, follow=True) == INTERRUPTED
    assert seen == ["line 1", "line 2", "line 3"]


def test_no_lines_is_said(cloud, capsys):
    stub = prepare(cloud, AWSLOGS)
    stub.add_response("filter_log_events", {"events": []})
    with stub:
        assert logs.run(cloud, Terminal(), Wanted(MILLISECONDS), print, follow=False) == OK
    assert "No lines since 2026-11-01 12:00:00 UTC." in capsys.readouterr().err


def test_a_wrong_pattern_is_wrong_use(cloud):
    stub = prepare(cloud, AWSLOGS)
    stub.add_client_error("filter_log_events", "InvalidParameterException", "Invalid filter pattern")
    with stub, pytest.raises(ToolError, match="is no pattern: Invalid filter pattern") as raised:
        logs.run(cloud, Terminal(), Wanted(0, pattern="{"), print, follow=False)
    assert raised.value.code == USAGE


@pytest.mark.parametrize("log", [{}, {"logDriver": "splunk"}])
def test_logs_that_are_elsewhere_are_an_error(cloud, log):
    prepare(cloud, log)
    with pytest.raises(ToolError, match="CloudWatch Logs"):
        logs.run(cloud, Terminal(), Wanted(0), print, follow=False)


def test_make_hands_the_pattern_on_as_it_is():
    """A dollar sign means something to make."""
    command = ["make", "--dry-run", "logs", "ENV=x", "FILTER={ $.status >= 500 }"]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "--filter '{ $.status >= 500 }'" in done.stdout
