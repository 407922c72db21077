"""How a review is read: whole, as Markdown, with what nobody knows yet, and without a secret."""

from __future__ import annotations

import html
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from stack.aws.changesets import ChangeSet
from stack.files import values
from stack.review import forms as review_forms
from stack.review import rows as review
from stack.review.rows import Row

TEMPLATE = """
Parameters:
  Word: {Type: String, NoEcho: true}
  Size: {Type: String}
Resources:
  Store:
    Type: AWS::RDS::DBInstance
    Properties:
      Kind: {Deep: true}
      Names: [a, !Ref Size]
      Url: !Sub "db://u:${Word}@host"
      Chosen: !If [Yes, !Ref Word, plain]
      MasterUserPassword: written-into-the-template
      Settings: [{Name: plain, Value: 1}, {Name: hidden, Value: !Ref Word}]
"""


def change_set(**resource: Any) -> ChangeSet:
    change: Any = {
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": "Store",
            "ResourceType": "AWS::RDS::DBInstance",
            **resource,
        }
    }
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    return ChangeSet("n", "id", "data", "CREATE_COMPLETE", "", "AVAILABLE", moment, {}, [change])


def context(**properties: Any) -> str:
    return json.dumps({"Properties": properties})


def rows(full: bool = True, **resource: Any) -> list[Row]:
    before = values.side(TEMPLATE, {"Word": "hunter2-old", "Size": "1"})
    after = values.side(TEMPLATE, {"Word": "hunter2-new", "Size": "2"})
    return review.rows(change_set(**resource), before, after, full)


def detail(path: str, before: str, after: str) -> dict[str, Any]:
    name = path.split("/")[2]
    target = {"Attribute": "Properties", "Name": name, "Path": path}
    return {"Target": {**target, "BeforeValue": before, "AfterValue": after}}


def test_all_properties_are_there_once_and_the_unchanged_say_so():
    found = rows(
        Details=[detail("/Properties/Names/1", "1", "2")],
        BeforeContext=context(Names=["a", "1"], Kind={"Deep": True}),
        AfterContext=context(Names=["a", "2"], Kind={"Deep": True}),
    )
    assert [(row.property, row.before, row.after, row.cause) for row in found] == [
        ("Names.1", "1", "2", ""),
        ("Names.0", "a", "a", "unchanged"),
        ("Kind.Deep", "true", "true", "unchanged"),
    ]


@pytest.mark.parametrize(
    ("action", "side", "shown"),
    [("Add", "AfterContext", (None, "a")), ("Remove", "BeforeContext", ("a", None))],
)
def test_what_comes_or_goes_is_told_by_its_properties(action, side, shown):
    found = rows(Action=action, **{side: context(Names=["a"])})
    assert [(row.action, row.property, row.before, row.after) for row in found] == [
        (action, "Names.0", *shown)
    ]
    assert [row.property for row in rows(Action=action)] == ["(new)" if action == "Add" else "(removed)"]


def test_what_is_known_later_is_so_within_a_text_too():
    (row,) = rows(False, Details=[detail("/Properties/Names/0", "a", "[{{changeSet:KNOWN_AFTER_APPLY}}]")])
    assert row.after == "[(known once applied)]"


SECRETS = {
    "Url": "db://u:hunter2-new@host",
    "Chosen": "hunter2-new",
    "MasterUserPassword": "written-into-the-template",
    "Settings": [{"Name": "plain", "Value": 1}, {"Name": "hidden", "Value": "hunter2-new"}],
    # What nothing in the template tells: only that it holds the value.
    "Elsewhere": "x hunter2-new y",
    "Old": "hunter2-old",
}


@pytest.mark.parametrize("full", [False, True])
def test_no_form_shows_a_secret(full, capsys):
    from stack.terminal import Terminal

    old = context(**{name: str(value).replace("new", "old") for name, value in SECRETS.items()})
    details = [
        detail(f"/Properties/{path}", f"db://u:hunter2-old@{path}", f"other-and-unknown hunter2-new {path}")
        for path in ("Url", "Chosen", "Chosen/2", "Settings/1/Value", "Settings", "MasterUserPassword")
    ]
    found = rows(full, Details=details, BeforeContext=old, AfterContext=context(**SECRETS))
    review_forms.show(Terminal(), found, full)
    everything = [
        json.dumps(review.as_data(found)),
        review_forms.markdown("t", [], found, full),
        capsys.readouterr().out,
    ]
    for text in everything:
        assert "****" in html.unescape(text)
        assert "hunter2" not in text
        assert "written-into" not in text
        assert "other-and-unknown" not in text


def row(**more: Any) -> Row:
    usual = {
        "stack": "data",
        "action": "Modify",
        "logical_id": "Table",
        "type": "T",
        "property": "P",
        "before": "a",
        "after": "b",
        "replacement": "no",
        "cause": "template",
        "policy_action": "",
    }
    return Row(**{**usual, **more})


def test_markdown_is_a_table_that_no_value_can_break():
    text = review_forms.markdown(
        "Change x of prod",
        ["heed *this*"],
        [row(after="one|two\n`three` <b> @all", replacement="yes", policy_action="ReplaceAndRetain")],
    )
    lines = text.splitlines()
    assert lines[0] == "### Change x of prod"
    assert lines[2].count("|") == lines[3].count("|") == lines[4].count("|") == 9
    assert "a -&gt; one&#124;two<br>&#96;three&#96; &lt;b&gt; &#64;all" in lines[4]
    assert "| **yes** | ReplaceAndRetain |" in lines[4]
    assert lines[-1] == "- heed &#42;this&#42;"


def test_markdown_fits_into_a_comment_and_says_what_it_left_out():
    text = review_forms.markdown("t", ["guarded"], [row(after="x" * 250)] * 500)
    assert len(text) < 65_536
    assert "more rows do not fit into a comment" in text
    assert text.endswith("- guarded")
    shown = sum(line.startswith("| <code>") for line in text.splitlines())
    assert f"\n{500 - shown} more rows" in text


def test_the_policy_action_is_shown_beside_the_replacement(capsys):
    from stack.terminal import Terminal

    review_forms.show(Terminal(), [row(replacement="yes", policy_action="ReplaceAndSnapshot")])
    shown = capsys.readouterr().out
    assert "Policy action" in shown
    assert "ReplaceAndSnapshot" in shown


def test_what_a_later_stack_takes_from_what_is_made_anew_is_marked(created):
    created.append('Key = "other"\n')
    created.edit("service", "{RetentionInDays: 1}", "{RetentionInDays: 3}")
    created.edit("service", 'Value: !Sub "${Image}', 'Value: !Sub "new ${Image}')
    done = created.do("change", "--name", "key", "--runtime", "process", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    late = {"stack": "service", "parameter": "TableName", "source": "data", "logical_id": "Table"}
    assert found["known_once_applied"] == [{**late, "certain": False}]
    after = {row["logical_id"]: row["after"] for row in found["changes"] if row["stack"] == "service"}
    assert after == {"Group": "3", "Running": "(known once applied)"}
    assert "TableName of service is not known yet, as data.Table may be made anew" in done.stderr


def test_a_review_goes_into_a_file_as_markdown(created):
    created.file.write_text(created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    file = created.root / "review.md"
    words = ("--runtime", "process", "--format", "markdown", "--detail", "full", "--file", str(file))
    done = created.do("change", "--name", "mode", *words)
    assert done.exit_code == 0, done.output
    assert file.read_text() == done.stdout
    assert "mode one -&gt; mode two" in done.stdout
    assert f"Do it: make approve ENV={created.env} NAME=mode" in done.stdout
    assert created.do("approve", "--name", "mode").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "--format", "markdown"), "JSON and Markdown cannot both be printed"),
        (("--file", "x.md"), "Only Markdown is written to a file"),
        (("--format", "markdown", "--file", "/no/such/folder/x.md"), "there is no folder /no/such/folder"),
        (("--detail", "most"), "full"),
    ],
)
def test_a_form_that_cannot_be_is_refused_before_anything_is_made(project, words, said):
    done = project.do("change", "--name", "x", *words)
    assert done.exit_code == 2, done.output
    assert said in done.output
