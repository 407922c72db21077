"""What `restore` refuses before anything is done, and how it goes on with a restore that was begun before."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from stack import recover
from stack.aws.clients import Cloud
from stack.doctor import permissions
from stack.errors import INTERRUPTED, REFUSED, USAGE, ToolError
from stack.recover import restoring, run, table
from stack.recover.table import Live
from stack.terminal import Terminal
from tests.stack.services import stubbed
from tests.stack.small_project import Project

# A call of DynamoDB: a paginator's operation, or a method.
CALL = re.compile(r'dynamodb\.(?:get_paginator\("([a-z_]+)"|((?!get_paginator|exceptions)[a-z_]+)\()')
ARN = "arn:aws:dynamodb:us-east-1:1:table/"
THEN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TARGET = "live-at-20261121T093000Z"


def name_of_table(project: Project) -> str:
    outputs = project.found()["data"]["Outputs"]
    return str(next(one["OutputValue"] for one in outputs if one["OutputKey"] == "TableName"))


def backups(project: Project) -> None:
    project.client("dynamodb").update_continuous_backups(
        TableName=name_of_table(project),
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )


def test_the_doctor_asks_whether_everything_may_be_called_that_is():
    called = {
        f"dynamodb:{(paginated or method).replace('_', '')}"
        for file in Path(recover.__file__).parent.glob("*.py")
        for paginated, method in CALL.findall(file.read_text())
    }
    assert "dynamodb:restoretabletopointintime" in called
    assert called <= {action.lower() for action in permissions.TO_RESTORE}


def test_an_environment_that_is_not_there_has_nothing_to_restore(project):
    done = project.do("restore", "--to", "latest")
    assert (done.exit_code, done.stdout) == (REFUSED, "")
    assert "does not exist" in done.stderr


def test_a_table_without_continuous_backups_is_refused_with_the_parameter(created):
    done = created.do("restore", "--to", "latest")
    assert done.exit_code == REFUSED
    assert "has no continuous backups" in done.stderr
    assert 'PointInTimeRecovery = "true" in [parameters.data]' in done.stderr


def test_a_stack_without_a_table_is_refused(created):
    text = created.template("data").read_text().replace("TableName: {Value", "Other: {Value")
    client = created.client("cloudformation")
    client.update_stack(StackName=created.stack("data"), TemplateBody=text)
    client.get_waiter("stack_update_complete").wait(
        StackName=created.stack("data"), WaiterConfig={"Delay": 0.2}
    )
    done = created.do("restore", "--to", "latest")
    assert done.exit_code == REFUSED
    assert "none of its stacks has the output TableName" in done.stderr


def test_a_time_out_of_range_says_the_range_and_makes_no_table(created):
    backups(created)
    done = created.do("restore", "--to", "2020-01-01T00:00:00Z", "--json")
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert "2020-01-01T00:00:00Z is too early: the table can be restored from 20" in done.stderr
    names = created.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in names if name.startswith(table.beginning(name_of_table(created)))]


def test_another_table_of_that_name_is_left_alone(created):
    backups(created)
    then = datetime.now(UTC) - timedelta(days=1)
    name = table.name_at(name_of_table(created), then)
    created.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    done = created.do("restore", "--to", then.isoformat())
    assert done.exit_code == REFUSED
    assert f"There is a table {name} that was not restored from" in done.stderr


def test_a_table_that_is_gone_is_refused_with_where_its_backup_is(created):
    created.client("dynamodb").delete_table(TableName=name_of_table(created))
    done = created.do("restore", "--to", "latest")
    assert done.exit_code == REFUSED
    assert "A deleted table leaves a system backup for 35 days" in done.stderr


def described(status: str, source: str = "live", name: str = TARGET, **more: Any) -> dict[str, Any]:
    return {
        "Table": {
            "TableName": name,
            "TableArn": ARN + name,
            "TableStatus": status,
            "CreationDateTime": datetime.now(UTC),
            "RestoreSummary": {
                "SourceTableArn": ARN + source,
                "RestoreDateTime": THEN,
                "RestoreInProgress": status == "CREATING",
            },
            **more,
        }
    }


@pytest.fixture
def dynamodb(cloud: Cloud) -> Stubber:
    return stubbed(cloud, "dynamodb")


@pytest.fixture
def live(cloud: Cloud, dynamodb: Stubber) -> Live:
    return Live(cloud.cached("dynamodb"), "data", "Table", "live", {"TableArn": f"{ARN}live"})


def test_a_restore_that_runs_already_is_gone_on_with(cloud, dynamodb, live):
    for status in ("CREATING", "CREATING", "ACTIVE", "ACTIVE"):
        dynamodb.add_response("describe_table", described(status))
    with dynamodb:
        done = restoring.ensure(cloud, Terminal(), live, TARGET, THEN)
    assert (done.name, done.moment) == (TARGET, THEN)
    assert done.seconds is not None
    dynamodb.assert_no_pending_responses()


def test_the_latest_goes_on_with_the_newest_restore_that_runs(dynamodb, live):
    names = ["live-at-20261120T000000Z", TARGET, "live-at-20261122T000000Z", "other"]
    dynamodb.add_response("list_tables", {"TableNames": names}, {"ExclusiveStartTableName": "live-at-"})
    dynamodb.add_response("describe_table", described("CREATING", name=names[0]))
    dynamodb.add_response("describe_table", described("CREATING"))
    dynamodb.add_response("describe_table", described("CREATING", source="another"))
    with dynamodb:
        assert restoring.under_way(live) == TARGET


def test_a_restore_that_leaves_no_table_failed(cloud, dynamodb, live):
    dynamodb.add_response("describe_table", described("CREATING"))
    dynamodb.add_client_error("describe_table", "ResourceNotFoundException")
    with dynamodb, pytest.raises(ToolError, match="ended without a table"):
        restoring.ensure(cloud, Terminal(), live, TARGET, THEN)


def test_more_restores_than_an_account_may_have_are_refused(cloud, dynamodb, live):
    dynamodb.add_client_error("describe_table", "ResourceNotFoundException")
    dynamodb.add_client_error("restore_table_to_point_in_time", "LimitExceededException", "Too many")
    with dynamodb, pytest.raises(ToolError, match="restores no further table now: Too many") as raised:
        restoring.ensure(cloud, Terminal(), live, TARGET, THEN)
    assert raised.value.code == REFUSED


@pytest.mark.parametrize(
    ("status", "said"),
    [("CREATING", "goes on at AWS in us-east-1"), ("ACTIVE", "is restored, and not set up or compared yet")],
)
def test_after_ctrl_c_it_is_said_what_goes_on_and_how_to_go_on_with_it(
    cloud, dynamodb, live, status, said, monkeypatch
):
    monkeypatch.setattr(cloud, "url", "")
    dynamodb.add_response("describe_table", described(status))
    with dynamodb:
        error = run._interrupted(cloud, live, TARGET)
    assert error.code == INTERRUPTED
    assert said in error.message
    assert error.hint.endswith(f"make restore ENV={cloud.environment.name} TO=2026-11-21T09:30:00Z")
