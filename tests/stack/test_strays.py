"""Tasks that would hold a cluster: which are stopped before it is deleted, and which are left alone."""

from __future__ import annotations

import pytest

from stack import strays
from stack.aws.clients import Cloud
from stack.errors import ToolError
from stack.terminal import Terminal
from tests.stack import services
from tests.stack.services import ARN

RULE = "events-rule/echo-room-prod-probe-Schedule"
LOOK = {"cluster": "c", "desiredStatus": "RUNNING"}


@pytest.fixture
def ecs(cloud, monkeypatch):
    monkeypatch.setattr(Cloud, "pause", 0.0)
    cloudformation = services.stubbed(cloud, "cloudformation")
    cloudformation.add_response("list_stack_resources", services.resources())
    with cloudformation, services.stubbed(cloud, "ecs") as ecs:
        yield ecs
        ecs.assert_no_pending_responses()


def of_service(identity: str):
    return services.task(identity, group="service:s", startedBy="ecs-svc/1")


def stray(identity: str, **more):
    return services.task(identity, **{"group": "family:echo", "startedBy": RULE, **more})


def listed(ecs, *tasks, more: str = "", after: str = ""):
    arns = [one["taskArn"] for one in tasks]
    ecs.add_response(
        "list_tasks",
        {"taskArns": arns, **({"nextToken": more} if more else {})},
        {**LOOK, **({"nextToken": after} if after else {})},
    )
    if tasks:
        ecs.add_response("describe_tasks", {"tasks": list(tasks)}, {"cluster": "c", "tasks": arns})


def stopped(ecs, identity: str):
    reason = "The environment is being deleted"
    ecs.add_response("stop_task", {}, {"cluster": "c", "task": f"{ARN}task/c/{identity}", "reason": reason})


def test_tasks_of_no_service_are_stopped_and_waited_for(cloud, ecs, capsys):
    listed(ecs, of_service("one"), stray("probe"), more="2")
    listed(ecs, stray("mine", startedBy="", group="family:echo"), of_service("two"), after="2")
    stopped(ecs, "probe")
    stopped(ecs, "mine")
    arns = [f"{ARN}task/c/probe", f"{ARN}task/c/mine"]
    ending, ended = stray("probe", lastStatus="STOPPING"), stray("probe", lastStatus="STOPPED")
    gone = stray("mine", lastStatus="STOPPED")
    for now in (ending, ended):
        ecs.add_response("describe_tasks", {"tasks": [now, gone]}, {"cluster": "c", "tasks": arns})
    strays.stop(cloud, Terminal(), services.STACK)
    said = " ".join(capsys.readouterr().err.split())
    assert f"Stopping 2 tasks of no service in c ({RULE}, family:echo) first" in said


def test_where_only_services_have_tasks_nothing_is_stopped(cloud, ecs, capsys):
    listed(ecs, of_service("one"))
    strays.stop(cloud, Terminal(), services.STACK)
    assert capsys.readouterr().err == ""


def test_a_cluster_that_is_gone_has_none(cloud, ecs):
    ecs.add_client_error("list_tasks", "ClusterNotFoundException", "Cluster not found.", expected_params=LOOK)
    strays.stop(cloud, Terminal(), services.STACK)


def test_a_task_that_ended_meanwhile_is_no_error(cloud, ecs):
    listed(ecs, stray("probe"))
    ecs.add_client_error("stop_task", "InvalidParameterException", "The referenced task was not found.")
    ecs.add_response("describe_tasks", {"tasks": []})
    strays.stop(cloud, Terminal(), services.STACK)


def test_a_task_that_does_not_stop_ends_the_deletion(cloud, ecs, monkeypatch):
    monkeypatch.setattr(strays, "_SECONDS", 0.0)
    listed(ecs, stray("probe"))
    stopped(ecs, "probe")
    ecs.add_response("describe_tasks", {"tasks": [stray("probe", lastStatus="STOPPING")]})
    with pytest.raises(ToolError, match="1 tasks of c have not stopped") as caught:
        strays.stop(cloud, Terminal(), services.STACK)
    assert "run the same command again" in str(caught.value.hint).lower()
