"""A template's Rules, evaluated before anything is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack.errors import ToolError
from stack.files import rules, templates

PARAMETERS = """
  Size: {Type: String, Default: small}
  Other: {Type: String, Default: none}
  Words: {Type: CommaDelimitedList, Default: "a,b"}
  Twice: {Type: CommaDelimitedList, Default: "a, a"}
  Secret: {Type: String, Default: hush, NoEcho: true}
"""
KNOWN = {"Size": "small", "Other": "none", "Words": "a,b", "Twice": "a, a", "Secret": "hush"}


def template(rule: str) -> templates.Template:
    body = f"Parameters:{PARAMETERS}\nRules:\n  Only:\n    {rule}\nResources: {{A: {{Type: B}}}}\n"
    return templates.make("service", Path("service.yaml"), body)


def holds(expression: str, without: tuple[str, ...] = ()) -> bool:
    known = {name: value for name, value in KNOWN.items() if name not in without}
    rule = f"Assertions: [{{Assert: {expression}, AssertDescription: words}}]"
    return not rules.broken(template(rule), known, "eu-west-1")


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ("!Equals [!Ref Size, small]", True),
        ("!Equals [!Ref Size, large]", False),
        ("!Not [!Equals [!Ref Size, large]]", True),
        ("!Equals [!Ref AWS::Region, eu-west-1]", True),
        ("!Equals [!Ref AWS::Region, us-east-1]", False),
        ("!Or [!Equals [!Ref Size, large], !Equals [!Ref Other, none]]", True),
        ("!Or [!Equals [!Ref Size, large], !Equals [!Ref Other, some]]", False),
        ("!And [!Equals [!Ref Size, small], !Equals [!Ref Other, none]]", True),
        ("!And [!Equals [!Ref Size, small], !Equals [!Ref Other, some]]", False),
        ("!Contains [[small, large], !Ref Size]", True),
        ("!Contains [[medium, large], !Ref Size]", False),
        ("!Contains [!Ref Words, b]", True),
        ("!Contains [!Ref Words, c]", False),
        ("!EachMemberEquals [!Ref Twice, a]", True),
        ("!EachMemberEquals [!Ref Words, a]", False),
        ("!EachMemberIn [!Ref Words, [a, b, c]]", True),
        ("!EachMemberIn [!Ref Words, [a, c]]", False),
        ("!Equals [!Equals [!Ref Size, small], !Equals [!Ref Other, none]]", True),
        ("!Equals [!Equals [!Ref Size, small], !Equals [!Ref Other, some]]", False),
    ],
)
def test_each_function(expression: str, truth: bool) -> None:
    assert holds(expression) is truth


@pytest.mark.parametrize(
    ("expression", "decided"),
    [
        ("!Equals [!Ref Size, large]", False),
        ("!Not [!Equals [!Ref Size, small]]", False),
        ("!And [!Equals [!Ref Size, large], !Equals [!Ref Other, none]]", False),
        # Whatever Size will be, the other half decides.
        ("!And [!Equals [!Ref Size, large], !Equals [!Ref Other, some]]", True),
        ("!Contains [[medium, large], !Ref Size]", False),
        ("!Contains [[!Ref Size, large], huge]", False),
        ("!EachMemberIn [[!Ref Size], [large]]", False),
        ("!EachMemberIn [[!Ref Other, !Ref Size], [large]]", True),
        ("!EachMemberIn [!ValueOfAll ['AWS::EC2::Subnet::Id', VpcId], !RefAll 'AWS::EC2::VPC::Id']", False),
        ("!EachMemberEquals [!ValueOf [Size, Tags.x], yes]", False),
    ],
)
def test_what_is_not_known_yet_breaks_nothing_unless_the_rest_decides(expression: str, decided: bool) -> None:
    assert holds(expression, without=("Size",)) is not decided


def test_a_rule_counts_only_under_its_condition() -> None:
    assertion = 'Assertions: [{Assert: !Equals ["", "x"], AssertDescription: words}]'
    met = template(f"RuleCondition: !Equals [!Ref Size, small]\n    {assertion}")
    (found,) = rules.broken(met, KNOWN, "x")
    assert (found.rule, found.about, found.description) == ("Only", "Size=small", "words")
    assert rules.broken(met, {**KNOWN, "Size": "large"}, "x") == []
    assert rules.broken(met, {}, "x") == []


def test_a_secret_value_is_not_shown() -> None:
    (found,) = rules.broken(template("Assertions: [{Assert: !Equals [!Ref Secret, x]}]"), KNOWN, "x")
    assert found.about == "Secret=****"
    assert found.description == "the rule Only does not hold"


@pytest.mark.parametrize("wrong", ["!Sub x", "!Equals [one]", "{}", "!Not x"])
def test_a_rule_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(ToolError, match=r"service\.yaml: the rule Only cannot be evaluated"):
        holds(wrong)


RULE = """Rules:
  Named:
    RuleCondition: !Equals [!Ref Tls, "on"]
    Assertions:
      - Assert: !Not [!Equals [!Ref DomainName, none]]
        AssertDescription: "Tls on needs DomainName"
      - Assert: {"Fn::Contains": [["", !Ref TableName], !Ref Only]}
        AssertDescription: "Only names the table"
Parameters:
  Tls: {Type: String, Default: "off"}
  DomainName: {Type: String, Default: none}
  Only: {Type: String, Default: ""}
"""


@pytest.fixture
def ruled(project: Any) -> Any:
    project.edit("service", "Parameters:\n", RULE)
    return project


def test_create_refuses_a_broken_rule_before_anything_is_made(ruled):
    ruled.append('[parameters.service]\nTls = "on"\n')
    done = ruled.do("create", "--runtime", "process")
    assert done.exit_code == 2, done.output
    assert f"{ruled.env}.toml is not right" in done.stderr
    assert "[parameters.service] Tls=on, DomainName=none: Tls on needs DomainName" in done.stderr
    assert ruled.statuses() == {}
    # Reading and deleting are possible with a file that is not finished.
    assert "Create what is missing" in ruled.do("status").stderr
    assert ruled.do("delete").exit_code == 0


def test_an_assertion_about_an_output_waits_for_it(ruled):
    ruled.append('[parameters.service]\nTls = "on"\nDomainName = "example.test"\nOnly = "another"\n')
    done = ruled.do("create", "--runtime", "process")
    assert done.exit_code == 2, done.output
    table = json.loads(ruled.do("outputs", "--json").stdout)["data"]["TableName"]
    assert f"TableName={table}, Only=another: Only names the table" in done.stderr
    assert "service" not in ruled.statuses()


def test_change_refuses_a_broken_rule(ruled):
    done = ruled.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    ruled.append('[parameters.service]\nTls = "on"\n')
    done = ruled.do("change", "--name", "tls", "--runtime", "process")
    assert done.exit_code == 2, done.output
    assert "Tls on needs DomainName" in done.stderr
