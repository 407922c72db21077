"""The drill command: which drills there are, who may do them, and that everything is put right again."""

from __future__ import annotations

import http.client
import json
import re
import signal
from typing import Any

import pytest
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from stack.aws.clients import Cloud
from stack.aws.stacks import Resource
from stack.drill import catalog, report, run
from stack.drill.drill import Drill, NotHereError, NotSeenError, Result
from stack.drill.report import Report
from stack.drill.stage import Stage
from stack.errors import USAGE, ToolError
from stack.files import environment
from stack.interrupts import sigterm_is_ctrl_c
from stack.outside.address import Address
from stack.terminal import Terminal
from tests.cloudformation.conftest import parse_template
from tests.cloudformation.test_alarms_and_runbooks import ALARMS
from tests.docs.pages import ROOT

ADDRESS = Address("http://127.0.0.1:9", "/readyz", None, None, "")


def test_every_drill_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("\n## Drills\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", section, re.M) == [drill.name for drill in catalog.ALL]


def test_every_alarm_is_told_with_its_drill_or_why_it_has_none() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    runbooks = re.findall(r"^### (\w+)$", page.partition("\n## Runbooks\n")[2].partition("\n## ")[0], re.M)
    table = page.partition("\n### Alarms and their drills\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \[(\w+)\]\(#\w+\) \| ([^|]*)\| ([^|]*)\|$", table, re.M)
    assert [name for name, _, _ in rows] == runbooks
    paging = {
        name
        for name, (_, properties) in ALARMS.items()
        if properties["AlarmActions"][0]["Ref"].startswith("PageTopic")
    }
    assert len(paging) > 5
    for name, drills, why in rows:
        known = [drill.name for drill in catalog.ALL if name in drill.alarms]
        assert re.findall(r"`([a-z-]+)`", drills) == [*known, *(["pages"] if name in paging else [])], name
        assert known or why.strip(), name


def test_drills_name_alarms_that_exist() -> None:
    templates = (ROOT / "cloudformation").glob("*.yaml")
    there = {name for path in templates for name in parse_template(path)["Resources"]}
    assert {name for drill in catalog.ALL for name in drill.alarms} <= there


def test_the_report_that_is_kept_is_of_all_drills_and_each_passed() -> None:
    page = (ROOT / "docs" / "drills" / "drills.md").read_text()
    found = re.findall(r"^\| \[`([a-z-]+)`\]\(#[a-z-]+\) \| ([^|]+) \|", page, re.M)
    assert found == [(drill.name, "pass") for drill in catalog.ALL], "run: make drill REPORT=docs/drills"


def test_drills_break_nothing_where_the_file_does_not_allow_it(project: Any) -> None:
    done = project.do("drill")
    assert done.exit_code == 3
    assert "does not allow drills" in done.stderr
    assert "[drills] allowed = true" in done.stderr


def test_an_unknown_drill_is_named_with_the_nearest(project: Any) -> None:
    done = project.do("drill", "--only", "erors")
    assert done.exit_code == 2
    assert 'There is no drill "erors" (did you mean "errors"?)' in done.stderr
    assert "bad-release" in done.stderr


@pytest.fixture
def in_a_drill(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Do one drill with this body, on a service that is well; returns its result and what was put right."""
    monkeypatch.setattr(Stage, "wait_for_service", lambda *_: None)
    cloud = Cloud(environment.load(ROOT, "local"))
    restored: list[str] = []

    def do(body: Any) -> tuple[Any, list[str]]:
        def breaks(stage: Stage) -> None:
            stage.restore.callback(restored.append, "first")
            stage.restore.callback(restored.append, "second")
            body(stage)

        restored.clear()
        drill = Drill("d", "Something.", "Something else.", breaks)
        return run._do(cloud, Terminal(), ADDRESS, "echo_x", drill), restored

    return do


@pytest.fixture
def stage() -> Stage:
    """A drill's view of an environment whose stack `monitoring` has an alarm A."""
    made = Stage(
        Cloud(environment.load(ROOT, "local")), Terminal(), ADDRESS, "echo_x", Result(catalog.ALL[0])
    )
    made._resources["monitoring"] = [Resource("A", "AWS::CloudWatch::Alarm", "a")]
    return made


def test_what_was_broken_is_put_right_last_first(in_a_drill: Any) -> None:
    result, restored = in_a_drill(lambda stage: stage.note("seen"))
    assert (result.outcome, result.why, restored) == ("pass", "", ["second", "first"])
    assert [seen.what for seen in result.seen] == ["seen"]


@pytest.mark.parametrize(
    ("raised", "outcome", "why"),
    [
        (NotSeenError("no alarm"), "FAIL", "no alarm"),
        (NotHereError("no web ACL"), "not here", "no web ACL"),
        (ToolError("no token"), "FAIL", "no token"),
        (ConnectionRefusedError("refused"), "FAIL", "no answer from http://127.0.0.1:9: refused"),
        (
            http.client.IncompleteRead(b""),
            "FAIL",
            "no answer from http://127.0.0.1:9: IncompleteRead(0 bytes read)",
        ),
        (
            ResponseParserError("what?"),
            "FAIL",
            "What answers at http://127.0.0.1:4566 is not AWS or an endpoint like it.",
        ),
    ],
)
def test_why_a_drill_did_not_pass(in_a_drill: Any, raised: Exception, outcome: str, why: str) -> None:
    def body(_: Stage) -> None:
        raise raised

    result, restored = in_a_drill(body)
    assert (result.outcome, result.why, restored) == (outcome, why, ["second", "first"])


def test_ctrl_c_puts_right_what_was_broken(in_a_drill: Any) -> None:
    restored: list[str] = []

    def body(stage: Stage) -> None:
        stage.restore.callback(restored.append, "put right")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_a_drill(body)
    assert restored == ["put right"]


def test_sigterm_is_an_interrupt_where_something_has_to_be_put_right() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_is_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_never_comes_fails_the_drill_and_says_what_was_waited_for(in_a_drill: Any) -> None:
    result, _ = in_a_drill(lambda stage: stage.wait("the alarm stands", lambda: False, 0.001))
    assert result.outcome == "FAIL"
    assert result.why == "waited 0.001 minutes for this in vain: the alarm stands"


def test_what_was_measured_is_written_even_where_nothing_can_be_drawn(in_a_drill: Any, tmp_path: Any) -> None:
    result, _ = in_a_drill(lambda stage: stage.note("seen"))
    result.series["running tasks"] = [(0.04, 2.0)]
    with pytest.raises(ToolError, match="which draws pictures"):
        report.write(Report(tmp_path, tmp_path / "no-python"), "local", [result])
    file = tmp_path / "drills.json"
    (drill,) = json.loads(file.read_text())["drills"]
    assert (drill["name"], drill["outcome"], drill["seen"][0]["what"]) == ("d", "pass", "seen")
    assert drill["series"] == {"running tasks": [[0.0, 2.0]]}


def test_a_report_that_cannot_be_made_is_said_before_anything_is_broken(tmp_path: Any) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(ToolError, match="which draws pictures"):
        report.prepare(Report(folder, tmp_path / "no-python"))
    assert folder.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="cannot be made") as caught:
        report.prepare(Report(tmp_path / "file" / "folder", tmp_path / "no-python"))
    assert caught.value.code == USAGE


def looks(cloud: Cloud, *answers: tuple[str, dict[str, Any]]) -> Stubber:
    """CloudWatch, answering these calls."""
    stub = Stubber(cloud.cloudwatch)
    for operation, answer in answers:
        stub.add_response(operation, answer)
    stub.activate()
    return stub


def alarm(state: str) -> tuple[str, dict[str, Any]]:
    return "describe_alarms", {
        "MetricAlarms": [{"AlarmName": "a", "StateValue": state}],
        "CompositeAlarms": [],
    }


def went(*states: str) -> tuple[str, dict[str, Any]]:
    items = [{"HistoryData": json.dumps({"newState": {"stateValue": state}})} for state in states]
    return "describe_alarm_history", {"AlarmHistoryItems": items}


def test_an_alarm_that_was_over_between_two_looks_was_seen(stage: Stage) -> None:
    stub = looks(stage.cloud, alarm("OK"), went("OK", "ALARM"))
    stage.wait_for_alarm("monitoring", "A", "ALARM", 0.001)
    stub.assert_no_pending_responses()


def test_an_alarm_that_stood_before_proves_nothing(stage: Stage) -> None:
    stub = looks(stage.cloud, alarm("ALARM"))
    with pytest.raises(NotSeenError, match="in vain: A does not stand"):
        stage.wait_for_calm("monitoring", "A", -1)
    stub.assert_no_pending_responses()


def test_an_alarm_that_did_not_go_off_is_missed(stage: Stage) -> None:
    looks(stage.cloud, alarm("OK"), went("OK"))
    with pytest.raises(NotSeenError, match="in vain: A is ALARM"):
        stage.wait_for_alarm("monitoring", "A", "ALARM", -1)
