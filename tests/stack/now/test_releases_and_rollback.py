from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stack.aws.clients import Cloud
from stack.files import environment
from stack.now import deployed, tasks
from stack.now.deployed import Deployed
from tests.stack.services import ARN, NOW, stubbed


def releases(project: Any) -> list[dict[str, Any]]:
    done = project.do("releases", "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["releases"]
    return found


@pytest.fixture
def twice(created: Any) -> Any:
    """An environment that runs its second image, which was pushed in another second than the first."""
    begun = int(time.time())
    while int(time.time()) == begun:
        time.sleep(0.05)
    (created.root / "app" / "main.py").write_text("print('another')\n")
    assert created.do("change", "--name", "code", "--runtime", "process").exit_code == 0
    assert created.do("approve", "--name", "code").exit_code == 0
    return created


def test_images_are_listed_with_the_one_that_runs_and_can_be_gone_back_to(twice):
    found = releases(twice)
    assert sorted(one["runs_in"] for one in found) == [[], ["service"]]
    (old,) = [one for one in found if not one["runs_in"]]
    (new,) = [one for one in found if one["runs_in"]]
    shown = twice.do("releases")
    assert old["digest"] in shown.stdout
    assert new["tags"][0] in shown.stdout
    refused = twice.do("rollback", "--to", new["tags"][0])
    assert refused.exit_code == 3, refused.output
    assert "runs already in service" in refused.stderr
    done = twice.do("rollback", "--to", old["digest"][:20], "--name", "back")
    assert done.exit_code == 0, done.output
    assert f"Back to {old['tags'][0]}" in done.stderr
    assert f"make approve ENV={twice.env} NAME=back" in done.stderr
    assert [one["runs_in"] for one in releases(twice) if one["digest"] == new["digest"]] == [["service"]]
    assert twice.do("approve", "--name", "back").exit_code == 0
    (running,) = [one for one in releases(twice) if one["runs_in"]]
    assert running["digest"] == old["digest"]


def test_an_image_that_is_not_there_is_refused(twice):
    done = twice.do("rollback", "--to", "nothing")
    assert done.exit_code == 2, done.output
    assert 'TO="nothing": no image is called so' in done.stderr
    assert releases(twice)[0]["tags"][0] in done.stderr


def test_there_may_be_nothing_to_go_back_to(created):
    done = created.do("rollback")
    assert done.exit_code == 3, done.output
    assert "no image older than the one that runs" in done.stderr


def test_without_an_environment_there_are_no_releases(project):
    done = project.do("releases")
    assert done.exit_code == 3, done.output
    assert "has no image repository yet" in done.stderr


def deployments(monkeypatch: Any, history: dict[str, int]) -> None:
    """Have ECS remember that the images with these digests were deployed, so many minutes ago."""
    found = [Deployed(f"repo@{digest}", NOW - timedelta(minutes=age)) for digest, age in history.items()]
    monkeypatch.setattr(deployed, "history", lambda *_: sorted(found, key=lambda one: one.finished)[::-1])


@pytest.fixture
def thrice(twice: Any) -> Any:
    """A third image, pushed and not deployed."""
    (twice.root / "app" / "main.py").write_text("print('a third')\n")
    assert twice.do("push", "--runtime", "process").exit_code == 0
    return twice


def in_order(thrice: Any) -> list[str]:
    """Digests of the third, the second and the first image; the last two may be of the same second."""
    found = releases(thrice)
    (second,) = [one["digest"] for one in found if one["runs_in"]]
    first = found[-1]["digest"]
    (third,) = {one["digest"] for one in found} - {first, second}
    return [third, second, first]


def test_rollback_takes_what_was_deployed_before_and_not_what_was_pushed_before(thrice, monkeypatch):
    third, second, first = in_order(thrice)
    # The third one was deployed first; what runs was pushed after the first and before it.
    deployments(monkeypatch, {second: 1, third: 5, first: 60})
    shown = {one["digest"]: one["deployed"] for one in releases(thrice)}
    assert datetime.fromisoformat(shown[third]) == NOW - timedelta(minutes=5)
    done = thrice.do("rollback", "--name", "back")
    assert done.exit_code == 0, done.output
    assert f"({third}), deployed {(NOW - timedelta(minutes=5)).isoformat()}" in done.stderr
    assert "whether it ever ran is not known" not in done.stderr


def test_an_image_that_is_gone_from_the_repository_is_passed_over(thrice, monkeypatch):
    _, second, first = in_order(thrice)
    deployments(monkeypatch, {second: 1, "sha256:expired": 5, first: 60})
    assert f"({first}), deployed" in thrice.do("rollback").stderr


def test_without_a_history_it_is_what_was_pushed_before_and_that_is_said(twice):
    (first,) = [one["digest"] for one in releases(twice) if not one["runs_in"]]
    done = twice.do("rollback")
    assert done.exit_code == 0, done.output
    assert f"({first}), pushed " in done.stderr
    assert "whether it ever ran is not known" in done.stderr


def test_a_history_that_may_not_be_read_is_named_and_the_rest_shown(twice, monkeypatch):
    def refuse(*_: Any) -> list[Deployed]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListServiceDeployments")

    monkeypatch.setattr(deployed, "history", refuse)
    done = twice.do("releases")
    assert done.exit_code == 0, done.output
    assert "what was deployed before is not known: These credentials may not call" in done.stderr


def test_the_history_is_read_in_pages_and_only_what_succeeded_counts(project, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    cloud = Cloud(environment.load(project.root, project.env))
    service = tasks.Service("s", "c", "", False, 1, 1, 0, "COMPLETED", None, "", ())

    def revision(number: int) -> str:
        return f"{ARN}service-revision/c/s/{number}"

    def brief(number: int) -> dict[str, Any]:
        moment = NOW + timedelta(hours=number)
        return {
            "targetServiceRevisionArn": revision(number),
            "createdAt": moment,
            "finishedAt": moment + timedelta(minutes=5),
            "status": "SUCCESSFUL",
        }

    wanted = {"cluster": "c", "service": "s", "status": ["SUCCESSFUL"]}
    with stubbed(cloud, "ecs") as ecs:
        first = {"serviceDeployments": [brief(number) for number in range(24, 10, -1)], "nextToken": "2"}
        ecs.add_response("list_service_deployments", first, wanted)
        rest = {"serviceDeployments": [brief(number) for number in range(10, 0, -1)]}
        ecs.add_response("list_service_deployments", rest, {**wanted, "nextToken": "2"})
        for numbers in (range(1, 21), range(21, 25)):
            revisions = [
                {
                    "serviceRevisionArn": revision(number),
                    "containerImages": [{"containerName": "service", "image": f"repo@sha256:{number}"}],
                }
                for number in numbers
            ]
            if 24 in numbers:
                # Without images: they stand in the task definition.
                revisions[-1] = {"serviceRevisionArn": revision(24), "taskDefinition": "echo:24"}
            asked = {"serviceRevisionArns": [revision(number) for number in numbers]}
            ecs.add_response("describe_service_revisions", {"serviceRevisions": revisions}, asked)
        definition = {"containerDefinitions": [{"name": "service", "image": "repo@sha256:24"}]}
        ecs.add_response(
            "describe_task_definition", {"taskDefinition": definition}, {"taskDefinition": "echo:24"}
        )
        found = deployed.history(cloud, [service])
        ecs.assert_no_pending_responses()
    assert [one.image for one in found] == [f"repo@sha256:{number}" for number in range(24, 0, -1)]
    assert found[0].finished == NOW + timedelta(hours=24, minutes=5)
