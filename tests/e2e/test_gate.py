"""What makes and approves changes, on the real templates: interrupted, cancelled, dropped, stale, refused.

One environment, and one story: the tests of this module run in their order. What runs is a container that is
ready when its test says so, and so an operation takes as long as that test wants.
"""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import another
from tests.e2e.checkout import ROOT, Checkout

pytestmark = pytest.mark.serial

FILE = "cloudformation/environments/local.toml"
STACK = "echo-room-local-service"
CONTAINER = """
[container]
image = "{image}"
environment = {{ READY = "file:{ready}" }}

[parameters.service]
ContainerPort = {port}
HealthCheckPath = "/up"
HealthCommand = "NONE"
StartSeconds = 120
"""
# Well as soon as a file is there; a bare path below /tmp would be taken for one in its own file system.
PROGRAM = """
import http.server, os, signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit())

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists(os.environ["READY"].removeprefix("file:")) else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


class Story(Checkout):
    """A checkout with this story's environment file; `signals` is where containers look for their files."""

    signals: Path
    image: str
    local: str

    def describe(self, version: str, more: str = "") -> None:
        """Make the environment file say which version runs."""
        entries = CONTAINER.format(image=self.image, ready=self.signals / version, port=another.PORT)
        described = another.for_another(self.local).replace(
            "[parameters.service]", entries.strip() + f"\n{more}"
        )
        (self.root / FILE).write_text(described)

    def be_ready(self, version: str) -> None:
        (self.signals / version).touch()

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start the tool as `make` does, on its own, to be interrupted."""
        return subprocess.Popen(
            [ROOT / ".venv/bin/python", "-u", "-m", "stack", *words, "--env", "local"],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def status(self) -> str:
        (stack,) = another.client(self, "cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return str(stack["StackStatus"])

    def change_sets(self) -> list[str]:
        cloudformation = another.client(self, "cloudformation")
        return [
            one["ChangeSetName"]
            for name in ("data", "network", "edge", "service")
            for one in cloudformation.list_change_sets(StackName=f"echo-room-local-{name}")["Summaries"]
            if one["ExecutionStatus"] != "EXECUTE_COMPLETE"
        ]

    def resource(self, stack: str, name: str) -> str:
        found = another.client(self, "cloudformation").describe_stack_resource(
            StackName=f"echo-room-local-{stack}", LogicalResourceId=name
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What a command says up to the line with `words`."""
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"it ended before it said {words!r}:\n{said}")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    story = Story(tmp_path_factory.mktemp("gate"), engine=False)
    story.signals = tmp_path_factory.mktemp("signals")
    story.local = (story.root / FILE).read_text()
    try:
        story.start_cloud()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(another, "PROGRAM", PROGRAM)
            story.image = another.push(story, "process", story.signals)
        yield story
    finally:
        story.run("make local-reset YES=1")


def test_ctrl_c_leaves_a_creation_running_and_watch_follows_it_to_its_end(story: Story) -> None:
    story.describe("one")
    creating = story.begin("create")
    said = read_until(creating, "TaskDefinition: What a task is, created")
    creating.send_signal(signal.SIGINT)
    rest, _ = creating.communicate(timeout=240)
    assert creating.returncode == 130, said + rest
    assert f"Interrupted. Creating {STACK} goes on" in rest
    assert "make watch ENV=local" in rest
    assert "Traceback" not in rest
    assert story.status() == "CREATE_IN_PROGRESS"
    refused = story.fail("make create ENV=local")
    assert "an operation is running. Nothing was changed" in refused

    watching = story.begin("watch")
    read_until(watching, f"Creating {STACK}")
    story.be_ready("one")
    rest, _ = watching.communicate(timeout=120)
    assert watching.returncode == 0, rest
    assert f"{STACK}: CREATE_COMPLETE" in rest
    # It goes on with the stacks behind it; then there is nothing left to make.
    story.succeed("make create ENV=local")
    assert "exists already and is complete" in story.fail("make create ENV=local")


def test_where_nothing_differs_no_change_set_is_left(story: Story) -> None:
    assert "Nothing to change" in story.succeed("make change ENV=local NAME=same")
    assert story.change_sets() == []


def test_a_rejected_change_is_gone(story: Story) -> None:
    story.describe("two")
    story.succeed("make change ENV=local NAME=dropped")
    assert story.change_sets() == ["dropped"]
    story.succeed("make reject ENV=local NAME=dropped")
    assert story.change_sets() == []
    assert "no change set dropped" in story.fail("make approve ENV=local NAME=dropped")
    assert "no change set dropped" in story.fail("make reject ENV=local NAME=dropped")


def test_a_cancelled_update_goes_back_and_says_so(story: Story) -> None:
    story.describe("never")
    story.succeed("make change ENV=local NAME=long")
    approving = story.begin("approve", "--name", "long", "--yes")
    read_until(approving, "TaskDefinition: What a task is, updated")
    cancelled = story.run("make cancel ENV=local")
    assert cancelled.returncode == 0, cancelled.stderr
    assert f"{STACK} is UPDATE_ROLLBACK_COMPLETE: as it was before the update." in cancelled.stdout
    rest, _ = approving.communicate(timeout=120)
    assert approving.returncode == 1, rest
    assert "cancelled" in rest.lower()
    assert story.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert "nothing to cancel" in story.fail("make cancel ENV=local")


def test_a_change_that_the_stack_has_moved_on_from_is_stale(story: Story) -> None:
    cloudformation = another.client(story, "cloudformation")
    story.describe("one", "LogRetentionDays = 7")
    story.succeed("make change ENV=local NAME=early")
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    same = [{"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in stack["Parameters"]]
    given = [one for one in same if one["ParameterKey"] != "LogRetentionDays"]
    cloudformation.update_stack(
        StackName=STACK,
        UsePreviousTemplate=True,
        Parameters=[*given, {"ParameterKey": "LogRetentionDays", "ParameterValue": "14"}],
        Capabilities=["CAPABILITY_IAM"],
    )
    until(lambda: story.status() == "UPDATE_COMPLETE")
    assert "early" in story.fail("make approve ENV=local NAME=early")
    # What is approved takes every other change set of its stack along.
    story.run("make reject ENV=local NAME=early")
    story.succeed("make change ENV=local NAME=first")
    story.succeed("make change ENV=local NAME=second")
    story.succeed("make approve ENV=local NAME=second")
    assert "no change set first" in story.fail("make approve ENV=local NAME=first")
    assert story.change_sets() == []
    logs = another.client(story, "logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=story.resource("service", "LogGroup"))["logGroups"]
    assert group["retentionInDays"] == 7


def test_another_scheme_would_be_another_balancer_and_needs_its_name(story: Story) -> None:
    before = story.resource("service", "LoadBalancer")
    story.edit("cloudformation/service.yaml", "Scheme: internet-facing", "Scheme: internal")
    shown = json.loads(story.succeed("make -s change ENV=local NAME=inside JSON=1"))
    assert "LoadBalancer" in shown["needs_replace"]
    refused = story.run("make approve ENV=local NAME=inside YES=1")
    assert "LoadBalancer" in refused.stderr
    assert "REPLACE=" in refused.stderr
    # One name of several is not enough.
    assert story.fail("make approve ENV=local NAME=inside YES=1 REPLACE=LogGroup")
    # All of them are not either, as the target groups would stay with the old one.
    never = story.fail(f"make approve ENV=local NAME=inside YES=1 REPLACE={','.join(shown['needs_replace'])}")
    assert "service.LoadBalancer is replaced, but not AlternateTargetGroup, TargetGroup behind it" in never
    assert story.resource("service", "LoadBalancer") == before
    story.succeed("make reject ENV=local NAME=inside")
    story.edit("cloudformation/service.yaml", "Scheme: internal", "Scheme: internet-facing")


def test_another_key_would_be_another_table_and_needs_its_name(story: Story) -> None:
    before = story.resource("data", "Table")
    story.edit("cloudformation/data.yaml", "AttributeName: pk", "AttributeName: id")
    shown = json.loads(story.succeed("make -s change ENV=local NAME=rekeyed JSON=1"))
    assert shown["needs_replace"] == ["Table"]
    refused = story.fail("make approve ENV=local NAME=rekeyed YES=1")
    assert "Table" in refused
    assert "REPLACE=Table" in refused
    assert story.resource("data", "Table") == before
    # Named, it is: the old one stays, retained, and the new one has nothing in it.
    story.succeed("make approve ENV=local NAME=rekeyed YES=1 REPLACE=Table")
    after = story.resource("data", "Table")
    assert after != before
    tables = another.client(story, "dynamodb").list_tables()["TableNames"]
    assert {before, after} <= set(tables)
