"""Attaching to what runs already: a wait condition keeps a stack busy for as long as a test needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from stack.aws.stacks import Stack
from stack.errors import INTERRUPTED, REFUSED, ToolError
from stack.running import verdict, watch
from stack.running.progress import Follower
from stack.terminal import Terminal
from tests.stack.running.updates import END, NOW, OLD, START, begin_update, end_wait


def test_nothing_runs(created):
    done = created.do("watch")
    assert done.exit_code == 0, done.output
    assert f"Nothing runs on {created.env}" in done.stderr
    assert json.loads(created.do("watch", "--json").stdout)["operations"] == []
    refused = created.do("cancel")
    assert refused.exit_code == REFUSED
    assert "nothing to cancel" in refused.stderr


def once_followed(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Have `action` happen when the tool begins to follow, however long it took to begin with that."""
    follow = Follower.follow

    def acting(self: Follower, verb: str, start: Any) -> Any:
        del start
        return follow(self, verb, action)

    monkeypatch.setattr(Follower, "follow", acting)


def test_watch_follows_an_update_that_somebody_else_began_to_its_verdict(created, monkeypatch):
    begin_update(created, 600)
    once_followed(monkeypatch, lambda: end_wait(created, "FAILURE"))
    before = sorted((created.root / ".state" / created.env).glob("*"))
    done = created.do("watch")
    assert done.exit_code == 1, done.output
    assert f"Updating {created.stack('data')}" in done.stderr
    assert "! Wait: A signal, " in done.stderr
    assert f"Update failed, {created.stack('data')} is UPDATE_ROLLBACK_COMPLETE" in done.stdout
    assert "Wait (A signal) of" in done.stdout
    assert sorted((created.root / ".state" / created.env).glob("*")) == before, "it only looks"


def test_cancel_ends_an_update_and_the_stack_is_as_before(created, monkeypatch):
    begin_update(created, 600)
    # MiniStack looks whether it is to cancel before each resource.
    once_followed(monkeypatch, lambda: end_wait(created, "SUCCESS"))
    done = created.do("cancel")
    assert done.exit_code == 0, done.output
    assert "Cancelling the update of" in done.stderr
    assert "UPDATE_ROLLBACK_COMPLETE: as it was before the update" in done.stdout
    assert created.statuses()["data"] == "UPDATE_ROLLBACK_COMPLETE"
    left = created.client("cloudformation").list_stack_resources(StackName=created.stack("data"))
    assert "Zlast" not in [one["LogicalResourceId"] for one in left["StackResourceSummaries"]]


def stack(status: str) -> Stack:
    return Stack("s", "id", status, "", START, None, {}, {}, {})


@pytest.mark.parametrize(
    ("status", "why", "instead"),
    [
        ("CREATE_IN_PROGRESS", "a creation cannot be cancelled", "delete-stack --stack-name s"),
        ("DELETE_IN_PROGRESS", "a deletion cannot be cancelled", "make create"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "the update is done", "make change"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "it goes back already", "make watch"),
    ],
)
def test_what_cannot_be_cancelled_says_what_can_be_done(cloud, monkeypatch, status, why, instead):
    monkeypatch.setattr(watch.endpoint, "require", lambda _: None)
    monkeypatch.setattr(watch.stacks, "describe_all", lambda _: {"data": stack(status)})
    with pytest.raises(ToolError) as caught:
        watch.cancel(cloud, Terminal())
    assert caught.value.code == REFUSED
    assert f"s is {status}: {why}" in caught.value.message
    assert instead in caught.value.hint


@pytest.mark.parametrize(
    ("status", "verb"),
    [
        ("CREATE_IN_PROGRESS", "Creating"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Updating"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "Rolling back the update of"),
        ("ROLLBACK_IN_PROGRESS", "Rolling back the creation of"),
        ("DELETE_IN_PROGRESS", "Deleting"),
    ],
)
def test_what_runs_is_named(status, verb):
    assert watch._verb(status) == verb


@pytest.mark.parametrize(
    ("events", "own"),
    [(OLD + NOW, NOW), ([*OLD, *NOW, END], [*NOW, END]), (OLD, OLD), ([], [])],
)
def test_the_operation_that_runs_begins_after_the_last_rest(events, own):
    assert verdict.of_last_operation(events, "id") == own


def test_ctrl_c_leaves_it_running_and_says_so(cloud, monkeypatch):
    client = boto3.client("cloudformation", region_name="us-east-1")
    cloud._clients["cloudformation"] = client
    stub = Stubber(client)
    stub.add_response("describe_stack_events", {"StackEvents": NOW[1::-1]})
    with stub:
        follower = Follower(
            cloud, Terminal(), cloud.environment.templates["data"], stack("UPDATE_IN_PROGRESS"), running=True
        )

        def interrupt() -> None:
            raise KeyboardInterrupt

        with pytest.raises(ToolError) as caught:
            follower.follow("Updating", interrupt)
    assert caught.value.code == INTERRUPTED
    assert "Updating s goes on at" in caught.value.message
    assert f"make watch ENV={cloud.environment.name}" in caught.value.hint
