"""Results as data: every command has them, standard output holds nothing else; exit codes as documented."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stack import errors
from stack.aws.clients import Cloud
from stack.cli import tool
from stack.commands import base
from stack.errors import ToolError
from stack.files import environment
from stack.now import dashboard
from tests.stack.services import NOW, stubbed

ROOT = Path(__file__).parents[2]
# A session in a terminal, and shell code.
NO_RESULT = {"exec", "completion"}


@pytest.mark.parametrize("name", sorted(set(tool.commands) - NO_RESULT))
def test_every_command_can_give_its_result_as_json(name):
    assert "--json" in [word for one in tool.commands[name].params for word in one.opts]


def data(project: Any, *words: str, code: int = 0) -> Any:
    done = project.do(*words, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_an_environments_life_as_json(project):
    made = data(project, "create", "--runtime", "process")
    assert made == {
        "environment": project.env,
        "result": "created",
        "stacks": [project.stack(name) for name in ("registry", "data", "service")],
        "url": None,
        "token": None,
    }
    assert data(project, "create", code=3)["result"] == "exists"
    token = data(project, "token", "--name", "n")
    assert token["token"] == f"made-for-{project.found()['data']['Outputs'][0]['OutputValue']}"
    image = data(project, "push", "--runtime", "process")["image"]
    assert re.search(r"@sha256:[0-9a-f]{64}$", image)
    project.file.write_text(project.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    for name in ("no", "yes"):
        assert list(data(project, "change", "--name", name, "--runtime", "process")["change_sets"]) == [
            "data"
        ]
    assert data(project, "reject", "--name", "no")["rejected"] == ["data"]
    done = data(project, "approve", "--name", "yes")
    assert done == {"environment": project.env, "name": "yes", "executed": ["data"], "pass_on": []}
    (project.root / "app" / "main.py").write_text("print('another')\n")
    assert data(project, "change", "--name", "code", "--runtime", "process")["changes"]
    data(project, "approve", "--name", "code")
    back = data(project, "rollback", "--to", image.partition("@")[2])
    assert back["name"] == f"rollback-{image.partition('@sha256:')[2][:12]}"
    for name in ("status", "outputs", "events", "releases", "drift", "cost"):
        assert data(project, name), name
    assert data(project, "last-create-failure") is None
    gone = data(project, "delete")
    assert gone["deleted"] == [project.stack(name) for name in ("service", "data", "registry")]
    assert [one["type"] for one in gone["kept"]] == ["AWS::DynamoDB::Table"]
    assert gone["found_again_by"] == {}  # by nothing that these templates have
    assert data(project, "delete") == {
        "environment": project.env,
        "deleted": [],
        "kept": [],
        "found_again_by": {},
    }


def test_a_failure_gives_its_verdict_as_data_and_its_words_on_standard_error(project):
    taken = f"/taken/{project.env}"
    project.client("ssm").put_parameter(Name=taken, Value="x", Type="String")
    project.edit("data", "Value: !Ref Password", f"Name: {taken}, Value: !Ref Password")
    verdict = data(project, "create", "--runtime", "process", code=1)
    assert verdict["logical_id"] == "Setting"
    assert data(project, "last-create-failure") == verdict


def test_a_refusal_prints_no_result(project):
    done = project.do("approve", "--name", "x", "--json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "does not exist" in done.stderr


def test_exit_codes_are_documented_as_they_are():
    codes = {errors.OK, errors.FAILED, errors.USAGE, errors.REFUSED, errors.INTERRUPTED}
    section = (ROOT / "docs" / "operations.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.M)} == codes
    assert {int(code) for code in re.findall(r"^  (\d+) ", base._EXITS, re.M)} == codes


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_turns_colour_off_on_a_terminal(project, variables, coloured):
    parent, child = pty.openpty()
    words = [sys.executable, "-m", "stack", "--project", str(project.root), "status", "--env", "nowhere"]
    env = {**os.environ, "TERM": "xterm-256color", **variables}
    with subprocess.Popen(words, stdin=child, stdout=child, stderr=child, cwd=ROOT, env=env) as process:
        os.close(child)
        said = b""
        try:
            while some := os.read(parent, 65536):
                said += some
        except OSError:
            pass  # how Linux says that nobody writes any more
        os.close(parent)
    assert process.returncode == 2
    assert b"There is no environment" in said
    # Bold is no colour.
    assert bool(re.search(rb"\x1b\[[\d;]*3\d", said)) == coloured


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1"),
        (
            "us-gov-west-1",
            "https://us-gov-west-1.console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1",
        ),
    ],
)
def test_the_dashboard_is_in_the_console_of_its_partition(project, monkeypatch, capsys, region, url):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    text = project.file.read_text().replace('"us-east-1"', f'"{region}"')
    start, end = text.index("[endpoint]"), text.index("[token]")
    project.file.write_text(text[:start] + text[end:])
    cloud = Cloud(environment.load(project.root, project.env))
    with stubbed(cloud, "cloudformation") as cloudformation:
        for _ in range(2):
            cloudformation.add_client_error(
                "describe_stacks", "ValidationError", "Stack with id x does not exist"
            )
        stack = {
            "StackName": "s",
            "StackId": f"arn:aws:cloudformation:{region}:1:stack/s/1",
            "StackStatus": "CREATE_COMPLETE",
            "CreationTime": datetime(2026, 11, 1, tzinfo=UTC),
        }
        cloudformation.add_response("describe_stacks", {"Stacks": [stack]})
        resource = {
            "LogicalResourceId": "Dashboard",
            "ResourceType": "AWS::CloudWatch::Dashboard",
            "PhysicalResourceId": "echo room/1",
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": NOW,
        }
        cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": [resource]})
        assert dashboard.run(cloud, base.Terminal()) == 0
    assert capsys.readouterr().out == f"{url}#dashboards/dashboard/echo%20room%2F1\n"


def test_without_a_dashboard_or_a_console_that_is_said(project, monkeypatch):
    done = project.do("dashboard")
    assert (done.exit_code, "has no console" in done.stderr) == (3, True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    cloud = Cloud(environment.load(project.root, project.env))
    object.__setattr__(cloud.environment, "endpoint", None)
    with stubbed(cloud, "cloudformation") as cloudformation:
        for _ in range(3):
            cloudformation.add_client_error("describe_stacks", "ValidationError", "s does not exist")
        with pytest.raises(ToolError, match="has no dashboard") as caught:
            dashboard.run(cloud, base.Terminal())
    assert caught.value.code == errors.REFUSED
