"""The state of everything: what a real endpoint shows, and alarms, drift and labels as AWS has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Resource
from stack.errors import OK, ToolError
from stack.files import environment
from stack.image import labels
from stack.image.labels import Labels
from stack.now import status
from stack.terminal import Terminal
from tests.stack import services
from tests.stack.services import IMAGE, NOW


def test_the_drift_that_was_found_and_its_age_are_shown(created):
    before = json.loads(created.do("status", "--json").stdout)
    assert {(row["drift"], row["drift_checked"]) for row in before["stacks"]} == {("NOT_CHECKED", None)}
    assert created.do("status").stdout.count("not looked for") == 3
    created.do("drift")
    after = json.loads(created.do("status", "--json").stdout)
    assert {row["drift"] for row in after["stacks"]} == {"IN_SYNC"}
    assert all(datetime.fromisoformat(row["drift_checked"]) for row in after["stacks"])
    assert created.do("status").stdout.count("IN_SYNC, ") == 3


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=5), "IN_SYNC, just now"),
        (timedelta(minutes=5), "IN_SYNC, 5 min ago"),
        (timedelta(hours=7), "IN_SYNC, 7 h ago"),
        (timedelta(days=40), "IN_SYNC, 40 d ago"),
    ],
)
def test_ages(age, said):
    assert status._drift("IN_SYNC", (NOW - age).isoformat(), NOW.astimezone(UTC)) == said


def test_an_image_says_its_version_but_no_commit_where_it_has_none(created):
    cloud = Cloud(environment.load(created.root, created.env))
    image = stacks.describe_all(cloud)["service"].parameters["Image"]
    uri, _, digest = image.partition("@")
    assert labels.read(cloud, uri, digest) == Labels("", "")
    file = created.root / "docker" / "Dockerfile"
    prefix = "org.opencontainers.image."
    file.write_text(
        file.read_text().replace(
            'LABEL title="echo"', f'LABEL {prefix}version="1.2" {prefix}revision="abc" title="echo"'
        )
    )
    pushed = created.do("push", "--runtime", "process").stdout.strip()
    assert labels.read(cloud, uri, pushed.partition("@")[2]) == Labels("1.2", "abc")
    file.write_text(file.read_text().replace('"abc"', '"unknown"'))
    pushed = created.do("push", "--runtime", "process").stdout.strip()
    assert labels.read(cloud, uri, pushed.partition("@")[2]) == Labels("1.2", "")
    with pytest.raises(ToolError, match="does not have"):
        labels.read(cloud, uri, f"sha256:{'0' * 64}")


@pytest.fixture
def cloud(cloud, monkeypatch) -> Cloud:
    monkeypatch.setattr(stacks, "look_all", lambda *_: {"service": services.STACK})
    monkeypatch.setattr(status.changesets, "pending_names", lambda *_: [])
    return cloud


def alarms(*names: str) -> list[Resource]:
    return [Resource(name, "AWS::CloudWatch::Alarm", f"stack-{name}") for name in names]


def test_alarms_are_counted_by_state_a_hundred_at_a_time(cloud):
    names = [f"A{number:03}" for number in range(101)]
    stub = services.stubbed(cloud, "cloudwatch")
    for some in (names[:100], names[100:]):
        wanted = [f"stack-{name}" for name in some]
        answer = [
            {"AlarmName": name, "StateValue": "ALARM" if name.endswith("A100") else "OK"} for name in wanted
        ]
        stub.add_response("describe_alarms", {"MetricAlarms": answer}, {"AlarmNames": wanted})
    with stub:
        found = status._alarms(cloud, [*alarms(*names), Resource("T", "AWS::SNS::Topic", "t")])
        stub.assert_no_pending_responses()
    assert list(found) == ["ALARM", "OK"]
    assert found["ALARM"] == ["A100"]
    assert len(found["OK"]) == 100


def test_without_alarms_cloudwatch_is_not_asked(cloud):
    with services.stubbed(cloud, "cloudwatch"):
        assert status._alarms(cloud, []) == {}


def test_the_service_its_deployment_and_alarms_are_shown(cloud, capsys):
    ecs, cloudwatch = services.stubbed(cloud, "ecs"), services.stubbed(cloud, "cloudwatch")
    services.describe_service(
        cloud, ecs, services.task("a"), services.task("b", availabilityZone="us-east-1b")
    )
    cloudformation = services.stubbed(cloud, "cloudformation")
    alarm = ("ErrorsAlarm", "AWS::CloudWatch::Alarm", "stack-errors")
    cloudformation.add_response("list_stack_resources", services.resources(alarm))
    cloudwatch.add_response(
        "describe_alarms", {"MetricAlarms": [{"AlarmName": "stack-errors", "StateValue": "ALARM"}]}
    )
    with ecs, cloudwatch, cloudformation:
        assert status.run(cloud, Terminal(), as_json=False) == OK
    said = capsys.readouterr().out
    assert "Service s: 2 of 2 tasks run, 0 start; 1 in us-east-1a, 1 in us-east-1b\n" in said
    assert "Last deployment: COMPLETED, began 2026-11-01T12:00:00+00:00\n" in said
    assert f"Image {IMAGE}\n" in said
    assert "Alarms: 1 ALARM (ErrorsAlarm)\n" in said


def test_labels_that_cannot_be_read_do_not_stop_the_rest(cloud, monkeypatch, capsys):
    def fail(*_):
        raise ToolError("the registry is away")

    monkeypatch.setattr(labels, "read", fail)
    uri = IMAGE.partition("@")[0]
    assert status._labels(cloud, Terminal(), IMAGE, {"registry": {"RepositoryUri": uri}}) == {}
    assert "version and commit of the image are not known: the registry is away" in capsys.readouterr().err
