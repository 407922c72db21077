"""What `cost`, `create` and `change` say of money: sums, what is left out, and the same in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stack.cli import tool
from stack.cost import bill
from stack.cost.usage import Usage
from stack.files.environment import load

CHECKOUT = Path(__file__).parents[3]

PRICED = """
Description: Data
Parameters:
  Mode: {Type: String, Default: one}
  Fewest: {Type: Number, Default: 2}
Conditions:
  HasKey: !Equals [!Ref Mode, two]
Resources:
  Table:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      Replicas: [{Region: !Ref AWS::Region}]
  Topic:
    Type: AWS::SQS::Queue
    Properties: {DisplayName: !Ref Mode}
  Key:
    Type: AWS::KMS::Key
    Condition: HasKey
    Properties: {KeyPolicy: {Version: "2012-10-17", Statement: []}}
Outputs:
  TableName: {Value: !Ref Table}
"""


def cost(*words: str) -> object:
    return CliRunner().invoke(tool, ["cost", *words])


def test_table_has_a_sum_a_stack_and_names_assumptions():
    done = cost("--env", "prod", "--requests", "2e6")
    assert done.exit_code == 0, done.output
    for said in ("NatGateway", "RouteTable"):
        assert said not in done.stdout
    for said in ("EcrApiEndpoint", "endpoint in 3 zones", "5 rules", "the hosted zone it is in", "3 tasks"):
        assert said in done.stdout
    assert "Idle 169.22 USD a month" in done.stdout
    assert "Not priced: service.Cluster: Container Insights (enhanced)" in done.stdout
    assert "List prices of us-east-1, November 2026" in done.stderr
    assert "--requests 2000000: requests a month" in done.stderr


def test_json_adds_up():
    found = json.loads(cost("--env", "dev", "--json").stdout)
    assert (found["currency"], found["prices"]["date"]) == ("USD", "2026-11-01")
    assert found["usage"]["requests"] == 1_000_000
    for line in found["lines"]:
        assert line["month"] == pytest.approx(line["amount"] * line["unit_price"])
    assert sum(line["month"] for line in found["lines"]) == pytest.approx(found["total"], abs=0.005)
    idle = sum(line["month"] for line in found["lines"] if not line["by_use"])
    assert idle == pytest.approx(found["idle"], abs=0.005)
    assert list(found["stacks"]) == ["registry", "data", "network", "service", "monitoring", "probe"]
    assert [one["resource"] for one in found["not_priced"]] == ["Cluster"]


def test_local_says_that_it_is_of_aws():
    assert "what it would cost on AWS" in cost("--env", "local").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "No environment is given"),
        (("--env", "dev", "--requests", "-1"), "not in the range"),
        (("--env", "dev", "--requests", "many"), "not a valid float"),
    ],
)
def test_wrong_use(words, said):
    done = cost(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_what_has_no_price_is_named(project):
    project.template("data").write_text(PRICED)
    found = json.loads(project.do("cost", "--json").stdout)
    named = {one["resource"]: one["why"] for one in found["not_priced"]}
    assert named["Topic"] == "AWS::SQS::Queue: the table has no price for it"
    assert "Table" not in named


def test_properties_that_make_no_sense_are_named_and_stop_nothing(project):
    project.template("data").write_text(
        PRICED.replace("BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED").replace(
            'Condition: HasKey\n    Properties: {KeyPolicy: {Version: "2012-10-17", Statement: []}}',
            "Condition: HasKey\n"
            "  Alarm:\n    Type: AWS::CloudWatch::Alarm\n    Properties: {Period: !Ref Topic}",
        )
    )
    environment = load(project.root, project.env)
    named = {one.resource: one.why for one in bill.of(environment, Usage()).not_priced}
    assert named["Table"] == "provisioned capacity"
    assert "are not understood (TypeError" in named["Alarm"]


def test_change_shows_the_cost_before_and_after(project):
    project.template("data").write_text(PRICED)
    created = project.do("create", "--runtime", "process")
    assert created.exit_code == 0, created.output
    assert "USD" not in created.output, "an environment with an endpoint costs nothing"
    nothing = project.do("change", "--name", "none", "--runtime", "process", "--json")
    cost = json.loads(nothing.stdout)["cost"]
    assert cost["before"] == cost["after"]
    assert "USD" not in nothing.stderr
    project.file.write_text(project.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    shown = project.do("change", "--name", "key", "--runtime", "process", "--json")
    assert shown.exit_code == 0, shown.output
    cost = json.loads(shown.stdout)["cost"]
    assert cost["after"]["idle"] - cost["before"]["idle"] == pytest.approx(1)
    assert cost["after"]["total"] - cost["before"]["total"] == pytest.approx(1)
    assert project.do("reject", "--name", "key").exit_code == 0
    said = project.do("change", "--name", "again", "--runtime", "process")
    assert "what it costs, in USD a month: idle 0.00 -> 1.00 (+1.00)" in said.stderr


def test_a_template_of_before_that_cannot_be_resolved_stops_no_review(project, monkeypatch):
    project.template("data").write_text(PRICED)
    assert project.do("create", "--runtime", "process").exit_code == 0
    project.file.write_text(project.file.read_text().replace('Mode = "one"', 'Mode = "two"'))

    def present(*_: object) -> dict[str, object]:
        return {"Resources": {"Odd": {"Type": "AWS::SQS::Queue", "Condition": "Missing"}}}

    monkeypatch.setattr("stack.cost.difference._present", present)
    shown = project.do("change", "--name", "key", "--runtime", "process", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["cost"] is None
    assert "what it costs before and after cannot be told: cloudformation/data.yaml" in shown.stderr
    assert 'there is no condition "Missing"' in shown.stderr


def test_create_says_first_what_it_will_cost(project, endpoint_url, monkeypatch):
    text = project.file.read_text()
    start, end = text.index("[endpoint]"), text.index("[tags]")
    project.file.write_text((text[:start] + text[end:]).replace('"registry", "data", "service"', '"data"'))
    project.template("data").write_text(PRICED)
    project.file.write_text(project.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    done = project.do("create")
    assert done.exit_code == 0, done.output
    said = f"About 1 USD a month idle, and what is not priced; see it: make cost ENV={project.env}"
    assert said in done.stderr
    assert done.stderr.index(said) < done.stderr.index("Creating ")
