"""What is sent beside the template, and termination protection, which follows the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stack.aws.clients import Cloud
from stack.files import environment

ROLE = "arn:aws:iam::123456789012:role/cloudformation"
PROTECTED = "termination_protection = true\n"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every CloudFormation call of the tool, by name and parameters."""
    calls: list[tuple[str, dict[str, Any]]] = []
    real = Cloud.client

    def recording(self: Cloud, service: str, **config: Any) -> Any:
        client = real(self, service, **config)
        if service == "cloudformation":
            client.meta.events.register(
                "provide-client-params.cloudformation",
                lambda params, model, **_: calls.append((model.name, dict(params))),
            )
        return client

    monkeypatch.setattr(Cloud, "client", recording)
    return calls


def of(calls: list[tuple[str, dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    return [params for called, params in calls if called == name]


def test_change_sets_and_deletions_go_by_the_role(project, sent):
    project.file.write_text(f'role = "{ROLE}"\n{project.file.read_text()}')
    assert project.do("create", "--runtime", "process").exit_code == 0
    assert [one["RoleARN"] for one in of(sent, "CreateChangeSet")] == [ROLE] * 3
    assert project.do("delete").exit_code == 0
    assert [one["RoleARN"] for one in of(sent, "DeleteStack")] == [ROLE] * 3


def test_without_a_role_none_is_sent(project, sent):
    assert project.do("create", "--runtime", "process").exit_code == 0
    assert project.do("delete").exit_code == 0
    assert len(of(sent, "CreateChangeSet")) == len(of(sent, "DeleteStack")) == 3
    assert not any("RoleARN" in params for _, params in sent)


@pytest.mark.parametrize(
    ("resource", "capabilities"),
    [
        ("{Type: AWS::SNS::Topic, Properties: {TopicName: x}}", []),
        ("{Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}", ["CAPABILITY_IAM"]),
        ("{Type: AWS::IAM::OIDCProvider}", ["CAPABILITY_IAM"]),
        ("{Type: AWS::IAM::Role, Properties: {RoleName: x}}", ["CAPABILITY_NAMED_IAM"]),
        ("{Type: AWS::IAM::ManagedPolicy, Properties: {ManagedPolicyName: x}}", ["CAPABILITY_NAMED_IAM"]),
    ],
)
def test_capabilities_are_said_only_as_needed(project, resource, capabilities):
    project.edit("data", "Resources:\n", f"Resources:\n  One: {resource}\n")
    assert environment.load(project.root, project.env).templates["data"].capabilities == capabilities


def test_capabilities_are_sent(project, sent):
    project.edit(
        "data", "Resources:\n", "Resources:\n  Role: {Type: AWS::IAM::Role, Properties: {RoleName: x}}\n"
    )
    project.do("create", "--runtime", "process")
    assert [one["Capabilities"] for one in of(sent, "CreateChangeSet")][:2] == [[], ["CAPABILITY_NAMED_IAM"]]


def protected(project: Any) -> dict[str, bool]:
    return {name: one["EnableTerminationProtection"] for name, one in project.found().items()}


def every(value: bool) -> dict[str, bool]:
    return dict.fromkeys(("registry", "data", "service"), value)


def test_protected_stacks_are_not_deleted_until_the_file_says_so_and_that_is_approved(project):
    text = project.file.read_text()
    project.file.write_text(PROTECTED + text)
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    assert protected(project) == every(True)
    for words in ((), ("--yes",)):
        refused = project.do("delete", *words)
        assert refused.exit_code == 3, refused.output
        assert "termination protection is on. Nothing was deleted" in refused.stderr
        assert f"set termination_protection = false in cloudformation/environments/{project.env}.toml" in (
            refused.stderr
        )
    assert project.statuses() == dict.fromkeys(("registry", "data", "service"), "CREATE_COMPLETE")
    project.file.write_text("termination_protection = false\n" + text)
    assert project.do("delete").exit_code == 3, "the file alone lifts nothing"
    shown = project.do("change", "--name", "unprotect", "--runtime", "process")
    assert shown.exit_code == 0, shown.output
    assert f"Termination protection is switched off for {project.stack('registry')}" in shown.stdout
    assert protected(project) == every(True), "nothing has been done yet"
    as_json = json.loads(project.do("change", "--name", "x", "--runtime", "process", "--json").stdout)
    assert as_json["termination_protection"] == {project.stack(name): False for name in every(False)}
    done = project.do("approve", "--name", "unprotect")
    assert done.exit_code == 0, done.output
    assert protected(project) == every(False)
    assert project.do("delete").exit_code == 0
    assert project.statuses() == {}


def test_a_change_brings_protection_with_it(created):
    created.file.write_text(PROTECTED + created.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    assert created.do("change", "--name", "both", "--runtime", "process").exit_code == 0
    # A name that was mistyped approves nothing, while another one waits.
    refused = created.do("approve", "--name", "bth")
    assert refused.exit_code == 3
    assert "Waiting for approval: both" in refused.stderr
    assert protected(created) == every(False)
    assert created.do("approve", "--name", "both").exit_code == 0
    assert protected(created) == every(True)
    assert created.statuses()["data"] == "UPDATE_COMPLETE"
    assert "Nothing to change" in created.do("change", "--name", "no", "--runtime", "process").stdout


def test_a_file_that_says_nothing_leaves_protection_alone_but_heeds_it(created):
    created.client("cloudformation").update_termination_protection(
        StackName=created.stack("data"), EnableTerminationProtection=True
    )
    assert "Nothing to change" in created.do("change", "--name", "no", "--runtime", "process").stdout
    refused = created.do("delete")
    assert refused.exit_code == 3
    assert f"{created.stack('data')} may not be deleted" in refused.stderr
    assert len(created.statuses()) == 3, "not even the stacks before it"
