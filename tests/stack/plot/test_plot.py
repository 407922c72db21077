"""Pictures: a dashboard's widgets as queries and panels, drills as a page, and a PNG of both."""

from __future__ import annotations

import json
import os
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.stub import Stubber

from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.files import environment
from stack.plot import drills, widgets
from stack.plot.sheet import Event, Mark, Panel, Series, Sheet, draw
from stack.terminal import Terminal
from tests.docs.pages import ROOT

PYTHON = ROOT / ".venv-plot" / "bin" / "python"
DRILLS = {
    "environment": "local",
    "at": "2026-11-21T08:00:00+00:00",
    "drills": [
        {
            "name": "errors", "breaks": "One.", "expects": "Two.", "outcome": "FAIL", "why": "no alarm",
            "seconds": 61.4,
            "seen": [{"after": 1.25, "what": "something"}],
            "series": {"requests a second": [[0.0, 40.0], [1.0, 41.0]], "running tasks": [[0.5, 2.0]]},
        },
        {
            "name": "script", "breaks": "A.", "expects": "B.", "outcome": "not here", "why": "no web ACL",
            "seconds": 0.1, "seen": [], "series": {},
        },
    ],
}  # fmt: skip


def test_metrics_of_a_widget_become_queries() -> None:
    properties = {
        "period": 60,
        "stat": "Sum",
        "metrics": [
            [{"expression": "a / b", "id": "share", "label": "share"}],
            ["AWS/X", "Errors", "Name", "n", {"id": "a", "visible": False}],
            [".", "Requests", ".", ".", {"id": "b", "visible": False, "period": 300}],
            ["...", "m", {"stat": "p99"}],
        ],
    }
    share, a, b, other = widgets.metric_queries(properties, 3600)
    assert share == {"Id": "share", "ReturnData": True, "Label": "share", "Expression": "a / b", "Period": 60}
    assert a["MetricStat"]["Metric"] == {
        "Namespace": "AWS/X", "MetricName": "Errors", "Dimensions": [{"Name": "Name", "Value": "n"}],
    }  # fmt: skip
    assert (a["ReturnData"], a["MetricStat"]["Stat"], a["MetricStat"]["Period"]) == (False, "Sum", 60)
    assert b["MetricStat"]["Metric"]["MetricName"] == "Requests"
    assert (b["MetricStat"]["Metric"]["Dimensions"], b["MetricStat"]["Period"]) == (
        [{"Name": "Name", "Value": "n"}], 300,
    )  # fmt: skip
    assert other["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "Name", "Value": "m"}]
    assert (other["Id"], other["MetricStat"]["Stat"]) == ("query3", "p99")
    (whole,) = widgets.metric_queries({"setPeriodToTimeRange": True, "metrics": [["N", "M"]]}, 3605)
    assert whole["MetricStat"]["Period"] == 3600


METRIC = {"type": "metric", "x": 6, "y": 0, "width": 12, "height": 5}
BODY = {
    "start": "-PT1H",
    "widgets": [
        {"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "a\nb"}},
        {**METRIC, "properties": {
            "title": "echoes", "stat": "Sum", "period": 60, "metrics": [["N", "Echoes", {"yAxis": "right"}]],
            "annotations": {"horizontal": [{"label": "most", "value": 9}]},
        }},
        {**METRIC, "properties": {"title": "found", "metrics": [[{"expression": "SEARCH()"}]]}},
        {**METRIC, "properties": {"title": "refused", "metrics": [[{"expression": "MAGIC(1)"}]]}},
        {"type": "log", "properties": {"title": "lines", "query": "fields @message"}},
    ],
}  # fmt: skip


def test_a_dashboard_becomes_panels(capsys: pytest.CaptureFixture[str]) -> None:
    cloud = Cloud(environment.load(ROOT, "local"))
    at = datetime(2026, 11, 21, 8, tzinfo=UTC)
    result = {
        "Id": "query0",
        "Label": "Echoes",
        "Timestamps": [at],
        "Values": [7.0],
        "StatusCode": "Complete",
    }
    later = {**result, "Timestamps": [at + timedelta(minutes=1)], "Values": [8.0]}
    with Stubber(cloud.cloudwatch) as stub:
        stub.add_response("get_dashboard", {"DashboardBody": json.dumps(BODY)}, {"DashboardName": "screen"})
        stub.add_response("get_metric_data", {"MetricDataResults": [result], "NextToken": "more"})
        stub.add_response("get_metric_data", {"MetricDataResults": [later]})
        stub.add_response("get_metric_data", {"MetricDataResults": [result, {**result, "Values": [9.0]}]})
        stub.add_client_error("get_metric_data", "ValidationError", "no MAGIC")
        sheet = widgets.sheet(cloud, Terminal(), "screen")
        text, echoes, found, refused = sheet.panels
        stub.assert_no_pending_responses()
    assert (text.view, text.text, text.width) == ("text", ["a", "b"], 6)
    assert (echoes.x, echoes.marks) == (6, [Mark("most", 9)])
    begun = at.timestamp()
    assert echoes.series == [Series("Echoes", [(begun, 7.0), (begun + 60, 8.0)], right=True)]
    assert found.series == [Series("Echoes", [(begun, 7.0)]), Series("Echoes", [(begun, 9.0)])]
    assert refused.series == []
    assert sheet.span is not None
    assert sheet.span[1] - sheet.span[0] == 3600
    said = capsys.readouterr().err
    assert '"refused" is not drawn whole: no MAGIC' in said
    assert '"lines" is not drawn: it is made of log lines' in said


def test_a_line_breaks_where_points_are_missing() -> None:
    assert widgets.broken([]) == []
    assert widgets.broken([(60, 1), (120, 2), (240, 3), (300, 4)]) == [
        (60, 1), (120, 2), (180, None), (240, 3), (300, 4),
    ]  # fmt: skip
    assert widgets.broken([(60, 1), (3600, 2)]) == [(60, 1), (3600, 2)], "nothing says what its period is"


def test_the_page_of_drills_says_what_happened() -> None:
    page = drills.page(DRILLS, "docs/drills", "drills.png", "../operations.md")
    assert "| [`errors`](#errors) | FAIL | 61 |" in page
    assert "FAIL: no alarm" in page
    assert "| 1.2 s | something |" in page
    assert "](drills.png)" in page
    assert "make drill ENV=local REPORT=docs/drills`; [what each drill is](../operations.md#drills)" in page
    assert [panel.title for panel in drills.sheet(DRILLS).panels] == [
        "errors: requests", "errors: p99 in ms", "errors: tasks and alarms",
    ]  # fmt: skip


def test_sheets_are_drawn(tmp_path: Path) -> None:
    if not PYTHON.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("CI=true demands .venv-plot, which `make check` installs")
        pytest.skip("there is no .venv-plot; `make check` installs it")
    sheet = Sheet(
        "a title", 12,
        [
            Panel("lines", 0, 0, 8, 5, "lines",
                  [Series("one", [(0, 1), (60, 2), (120, None), (180, 3)]), Series("r", [(30, 1)], True)],
                  [Mark("most", 3)]),
            Panel("nothing", 8, 0, 4, 5, "lines", [Series("empty", [])]),
            Panel("numbers", 0, 5, 6, 3, "numbers", [Series("now", [(0, 1234.5)]), Series("none", [])]),
            Panel("text", 6, 5, 6, 3, "text", text=["$a_b^2 is no formula", "OK  alarm"]),
        ],
    )  # fmt: skip
    drawn = []
    happened = [Event("739e1f13", 20, 60), Event("5f", 60, None, failed=True), Event("old", -90, 250)]
    for clock, span, events in ((True, (0, 240), []), (True, (0, 240), happened), (False, None, [])):
        sheet.clock, sheet.span, sheet.events = clock, span, events
        file = tmp_path / f"{len(drawn)}.png"
        draw(sheet, PYTHON, file)
        width, height = struct.unpack(">II", file.read_bytes()[16:24])
        assert (width, height) == (744, 546)
        drawn.append(file.read_bytes())
    assert len(set(drawn)) == 3, "events are to be seen"


def test_a_missing_python_is_said(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        draw(Sheet("x", 1, []), tmp_path / "python", tmp_path / "x.png")
    assert "which draws pictures" in caught.value.message
