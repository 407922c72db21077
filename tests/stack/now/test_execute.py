"""A command in a task: what is missing is said, and what the session's plugin gets."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import REFUSED, USAGE, ToolError
from stack.files import environment
from stack.now import execute
from stack.terminal import Terminal
from tests.stack import services
from tests.stack.services import ARN

# Writes down what it gets, and ends as it is told.
PLUGIN = """#!/bin/sh
if [ "$1" = --version ]; then echo {version}; exit 0; fi
printf '%s\\n' "$@" > {folder}/arguments
printf '%s' "$AWS_SSM_START_SESSION_RESPONSE" > {folder}/session
exit {code}
"""


@pytest.fixture
def on_aws(project) -> None:
    """The project's environment is on AWS."""
    text = project.file.read_text()
    start, end = text.index("[endpoint]"), text.index("[token]")
    project.file.write_text(text[:start] + text[end:])


@pytest.fixture
def cloud(on_aws, cloud, monkeypatch) -> Cloud:
    monkeypatch.setattr(stacks, "look_all", lambda *_: {"service": services.STACK})
    return cloud


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    def install(version: str = "1.2.707.0", code: int = 0) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        file = folder / execute.PLUGIN
        file.write_text(PLUGIN.format(version=version, folder=folder, code=code))
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder

    return install


def prepare(cloud: Cloud, *tasks: str, on: bool = True, status: str = "RUNNING"):
    ecs = services.stubbed(cloud, "ecs")
    described = [services.task(one, lastStatus=status) for one in tasks]
    services.describe_service(cloud, ecs, *described, enableExecuteCommand=on)
    return ecs


def answer(ecs, task: str, command: str) -> None:
    ecs.add_response(
        "execute_command",
        {
            "clusterArn": f"{ARN}cluster/c",
            "taskArn": f"{ARN}task/c/{task}",
            "containerName": "service",
            "session": {"sessionId": "s1", "streamUrl": "wss://x", "tokenValue": "the-token"},
        },
        {"cluster": "c", "task": task, "command": command, "interactive": True},
    )
    containers = [{"name": "agent", "runtimeId": "no"}, {"name": "service", "runtimeId": "r-7"}]
    ecs.add_response("describe_tasks", {"tasks": [services.task(task, containers=containers)]})


@pytest.mark.parametrize(
    ("task", "command", "ran"),
    [("", "", "python3 -m app settings"), ("ab", "python3 -V", "python3 -V")],
)
def test_the_plugin_gets_the_session_but_not_as_an_argument(cloud, plugin, task, command, ran):
    folder = plugin()
    ecs = prepare(cloud, "abc", "def")
    answer(ecs, "abc", ran)
    before = signal.getsignal(signal.SIGINT)
    with ecs:
        assert execute.run(cloud, Terminal(), task, command) == 0
        ecs.assert_no_pending_responses()
    assert signal.getsignal(signal.SIGINT) is before
    arguments = (folder / "arguments").read_text()
    assert arguments.splitlines() == [
        "AWS_SSM_START_SESSION_RESPONSE",
        "us-east-1",
        "StartSession",
        "",
        '{"Target": "ecs:c_abc_r-7"}',
        "https://ecs.us-east-1.amazonaws.com",
    ]
    assert json.loads((folder / "session").read_text())["tokenValue"] == "the-token"


def test_a_session_that_fails_is_a_failure(cloud, plugin):
    plugin(code=255)
    ecs = prepare(cloud, "abc")
    answer(ecs, "abc", "x")
    with ecs, pytest.raises(ToolError, match="exit code 255"):
        execute.run(cloud, Terminal(), "", "x")


def test_where_it_is_off_it_says_how_to_switch_it_on(cloud, plugin):
    plugin()
    with prepare(cloud, "abc", on=False), pytest.raises(ToolError, match="ExecuteCommand is off") as raised:
        execute.run(cloud, Terminal(), "", "")
    assert raised.value.code == REFUSED
    assert 'ExecuteCommand = "on"' in raised.value.hint
    assert "ExecuteCommandEndpoint" in raised.value.hint


def test_without_the_plugin_it_says_where_to_get_it(cloud, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="is not installed") as raised:
        execute.run(cloud, Terminal(), "", "")
    assert raised.value.code == REFUSED
    assert "https://" in raised.value.hint


@pytest.mark.parametrize("version", ["1.2.497.0", "1.2.463.0", "", "broken"])
def test_a_plugin_that_would_show_the_token_is_refused(cloud, plugin, version):
    plugin(version)
    with pytest.raises(ToolError, match="is too old") as raised:
        execute.run(cloud, Terminal(), "", "")
    assert raised.value.code == REFUSED


@pytest.mark.parametrize(("task", "said"), [("zz", 'begins with "zz"'), ("ab", "abc, abd")])
def test_a_task_that_is_none_or_not_the_only_one_is_wrong_use(cloud, plugin, task, said):
    plugin()
    with prepare(cloud, "abc", "abd"), pytest.raises(ToolError, match=said) as raised:
        execute.run(cloud, Terminal(), task, "")
    assert raised.value.code == USAGE


def test_tasks_that_do_not_run_yet_are_not_chosen(cloud, plugin):
    plugin()
    with prepare(cloud, "abc", status="PENDING"), pytest.raises(ToolError, match="No task runs"):
        execute.run(cloud, Terminal(), "", "")


def test_an_endpoint_has_no_sessions_and_it_says_so(project):
    done = project.do("exec")
    assert done.exit_code == REFUSED
    assert "has no sessions into tasks" in done.stderr
    assert "docker exec" in done.stderr


def test_of_another_container_nobody_knows_what_it_can_run(project, cloud, plugin):
    plugin()
    project.append(f'[container]\nimage = "example.com/x@sha256:{"0" * 64}"\n')
    other = Cloud(environment.load(project.root, project.env))
    with pytest.raises(ToolError, match="not said what to run") as raised:
        execute.run(other, Terminal(), "", "")
    assert raised.value.code == USAGE
