"""A stack whose template says where it has to be is there, and every command finds it."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.files import environment

OUTSIDE = """
Description: Seen from outside
Metadata: {EchoRoom: {Region: us-east-1}}
Parameters:
  TableName: {Type: String}
  Words: {Type: String, Default: one, AllowedPattern: '[a-z]+'}
Rules:
  There:
    Assertions:
      - {Assert: !Equals [!Ref "AWS::Region", us-east-1], AssertDescription: Words belong to us-east-1}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Metadata: {Description: News}
    Properties: {DisplayName: !Sub "${Words} of ${TableName}"}
Outputs:
  TopicArn: {Value: !Ref Topic}
"""


@pytest.fixture
def abroad(project):
    """The project in eu-west-1, with a stack that has to be in us-east-1."""
    project.template("outside").write_text(OUTSIDE)
    text = project.file.read_text().replace('region = "us-east-1"', 'region = "eu-west-1"')
    lines = [
        'stacks = ["data", "outside"]' if line.startswith("stacks") else line for line in text.splitlines()
    ]
    project.file.write_text("\n".join(lines) + "\n")
    return project


def statuses(project, region):
    client = boto3.client(
        "cloudformation",
        endpoint_url=project.url,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    return {
        one["StackName"].rsplit("-", 1)[-1]: one["StackStatus"]
        for page in client.get_paginator("describe_stacks").paginate()
        for one in page["Stacks"]
        if one["StackName"].startswith(f"echo-room-{project.env}-")
        and one["StackStatus"] != "DELETE_COMPLETE"
    }


def test_every_command_goes_where_the_stack_is(abroad):
    done = abroad.do("create")
    assert done.exit_code == 0, done.output
    assert "Topic: News, created" in done.stderr
    assert statuses(abroad, "eu-west-1") == {"data": "CREATE_COMPLETE"}
    assert statuses(abroad, "us-east-1") == {"outside": "CREATE_COMPLETE"}

    found = json.loads(abroad.do("outputs", "--json").stdout)
    assert ":us-east-1:" in found["outside"]["TopicArn"]
    status = json.loads(abroad.do("status", "--json").stdout)
    assert status["complete"]
    assert f"{abroad.stack('outside')}" in abroad.do("events").stdout

    abroad.edit("outside", "Default: one", "Default: two")
    changed = abroad.do("change", "--name", "words")
    assert changed.exit_code == 0, changed.output
    assert "one of" in changed.output
    assert "two of" in changed.output
    assert abroad.do("status").stdout.count("words") == 1
    rejected = abroad.do("reject", "--name", "words")
    assert rejected.exit_code == 0, rejected.output
    assert abroad.do("change", "--name", "again").exit_code == 0
    approved = abroad.do("approve", "--name", "again")
    assert approved.exit_code == 0, approved.output
    assert statuses(abroad, "us-east-1") == {"outside": "UPDATE_COMPLETE"}

    gone = abroad.do("delete", "--yes")
    assert gone.exit_code == 0, gone.output
    assert statuses(abroad, "eu-west-1") == {}
    assert statuses(abroad, "us-east-1") == {}


def test_what_runs_there_is_watched_and_cancelled_there(abroad):
    """The calls of `watch`, `cancel` and `drift` go by the stack's id, which says its region."""
    cloud = Cloud(environment.load(abroad.root, abroad.env))
    there = "arn:aws:cloudformation:us-east-1:111122223333:stack/x/1"
    assert cloud.region == "eu-west-1"
    assert cloud.of(there).region == "us-east-1"
    assert cloud.of("outside").region == "us-east-1"
    assert cloud.of("data") is cloud
    assert cloud.of(there) is cloud.of("outside")
    assert cloud.of(there).of("data").region == "eu-west-1"
    assert cloud.environment.regions == ("eu-west-1", "us-east-1")


def test_rules_see_the_region_of_their_stack(abroad):
    abroad.edit("outside", "Metadata: {EchoRoom: {Region: us-east-1}}", "")
    done = abroad.do("create")
    assert done.exit_code == 2
    assert "Words belong to us-east-1" in done.output


def away(code, status):
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "DescribeStacks")  # type: ignore[arg-type] # an answer has more


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="https://x"), away("503", 503), ReadTimeoutError(endpoint_url="x")],
)
def test_what_looks_goes_on_without_a_region_that_is_lost(abroad, monkeypatch, error):
    """The environment's own stacks and outputs are told, and its tokens' command has what it needs."""
    assert abroad.do("create").exit_code == 0
    describe = stacks.describe

    def lost(cloud, name):
        if name.endswith("-outside"):
            raise error
        return describe(cloud, name)

    monkeypatch.setattr(stacks, "describe", lost)
    done = abroad.do("outputs", "--json")
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)) == ["data"]
    left_out = f"us-east-1 does not answer, so {abroad.stack('outside')} is left out"
    assert left_out in done.stderr
    done = abroad.do("status")
    assert done.exit_code == 0, done.output
    assert left_out in done.stderr
    assert abroad.do("token", "--name", "n").exit_code == 0
    # What changes something does not do it half.
    changed = abroad.do("change", "--name", "x")
    assert changed.exit_code == 1, changed.output


def test_what_another_region_refuses_is_an_error_and_so_is_the_own_region_lost(abroad, monkeypatch):
    assert abroad.do("create").exit_code == 0
    describe = stacks.describe
    for ending, error in (("-outside", away("AccessDenied", 403)), ("-data", away("503", 503))):

        def lost(cloud, name, ending=ending, error=error):
            if name.endswith(ending):
                raise error
            return describe(cloud, name)

        monkeypatch.setattr(stacks, "describe", lost)
        assert abroad.do("outputs").exit_code == 1
