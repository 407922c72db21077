"""Stack policies follow termination_protection, and let through what was named, for one update."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.errors import INTERRUPTED, ToolError
from stack.files import environment
from stack.review import policies as stack_policies
from stack.review.guarded import STATEFUL
from stack.terminal import Terminal

PROTECTED = "termination_protection = true\n"
ALLOW = {"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}


def policy_of(project: Any, name: str = "data") -> dict[str, Any] | None:
    found = project.client("cloudformation").get_stack_policy(StackName=project.stack(name))
    return json.loads(found["StackPolicyBody"]) if "StackPolicyBody" in found else None


@pytest.fixture
def protected(project: Any) -> Any:
    project.file.write_text(PROTECTED + project.file.read_text())
    done = project.do("create", "--runtime", "process")
    assert done.exit_code == 0, done.output
    return project


@pytest.fixture
def kept(protected: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each policy that is set lets go, by logical id; an empty list is the whole policy."""
    found: list[list[str]] = []
    real = Cloud.client

    def recording(self: Cloud, service: str, **config: Any) -> Any:
        client = real(self, service, **config)
        if service == "cloudformation":

            def note(params: dict[str, Any], **_: Any) -> None:
                deny = json.loads(params["StackPolicyBody"])["Statement"][1]
                found.append(deny.get("NotResource", []))

            client.meta.events.register("provide-client-params.cloudformation.SetStackPolicy", note)
            client.meta.events.register(
                "provide-client-params.cloudformation.ExecuteChangeSet",
                lambda **_: found.append(["executed"]),
            )
        return client

    monkeypatch.setattr(Cloud, "client", recording)
    return found


def test_the_policy_denies_replacing_and_deleting_what_holds_data():
    allow, deny = stack_policies.policy()["Statement"]
    assert allow == ALLOW["Statement"][0]
    assert deny["Action"] == ["Update:Replace", "Update:Delete"]
    assert deny["Resource"] == "*"
    assert set(deny["Condition"]["StringEquals"]["ResourceType"]) == STATEFUL
    free = stack_policies.policy(["Table"])["Statement"][1]
    assert free["NotResource"] == ["LogicalResourceId/Table"]
    assert "Resource" not in free


def test_protection_brings_the_policy_and_takes_it_away(protected):
    assert [policy_of(protected, name) for name in ("registry", "data", "service")] == [
        stack_policies.policy()
    ] * 3
    assert "Nothing to change" in protected.do("change", "--name", "no", "--runtime", "process").stdout
    protected.file.write_text(
        protected.file.read_text().replace(PROTECTED, PROTECTED.replace("true", "false"))
    )
    shown = protected.do("change", "--name", "off", "--runtime", "process")
    assert "The stack policy no longer keeps what holds data" in shown.stdout
    assert policy_of(protected) == stack_policies.policy(), "nothing has been done yet"
    assert protected.do("approve", "--name", "off").exit_code == 0
    assert policy_of(protected) == ALLOW
    assert "Nothing to change" in protected.do("change", "--name", "no", "--runtime", "process").stdout


def test_a_file_that_says_nothing_leaves_policies_alone(created):
    assert policy_of(created) is None
    assert "Nothing to change" in created.do("change", "--name", "no", "--runtime", "process").stdout


def test_a_policy_that_somebody_loosened_is_put_back(protected):
    protected.client("cloudformation").set_stack_policy(
        StackName=protected.stack("data"), StackPolicyBody=json.dumps(ALLOW)
    )
    found = protected.do("change", "--name", "back", "--runtime", "process", "--json")
    assert json.loads(found.stdout)["stack_policies"] == {protected.stack("data"): True}
    assert protected.do("approve", "--name", "back").exit_code == 0
    assert policy_of(protected) == stack_policies.policy()


def test_what_is_named_goes_and_the_policy_is_whole_again(protected, kept):
    protected.append('Key = "other"\n')
    assert protected.do("change", "--name", "key", "--runtime", "process").exit_code == 0
    done = protected.do("approve", "--name", "key", "--replace", "Table")
    assert done.exit_code == 0, done.output
    assert "lets Table go for this update" in done.stderr
    assert kept[:3] == [["LogicalResourceId/Table"], ["executed"], []]
    assert policy_of(protected) == stack_policies.policy()


def test_a_change_that_replaces_nothing_lifts_nothing(protected, kept):
    protected.file.write_text(protected.file.read_text().replace('Mode = "one"', 'Mode = "two"'))
    assert protected.do("change", "--name", "mode", "--runtime", "process").exit_code == 0
    assert protected.do("approve", "--name", "mode").exit_code == 0
    assert kept == [["executed"]]


def test_the_policy_is_whole_again_after_a_failure(protected, kept):
    taken = f"/taken/{protected.env}"
    protected.client("ssm").put_parameter(Name=taken, Value="x", Type="String")
    protected.edit("data", "Value: !Ref Password", f"Name: {taken}, Value: !Ref Password")
    protected.append('Key = "other"\n')
    assert protected.do("change", "--name", "bad", "--runtime", "process").exit_code == 0
    assert protected.do("approve", "--name", "bad", "--replace", "Table").exit_code == 1
    assert kept == [["LogicalResourceId/Table"], ["executed"], []]
    assert policy_of(protected) == stack_policies.policy()


@pytest.mark.parametrize(
    ("raised", "left"),
    [
        (ToolError("no"), []),
        (RuntimeError("no"), []),
        # The update goes on, and would fail under the whole policy.
        (ToolError("Interrupted", "", INTERRUPTED), ["Table"]),
    ],
)
def test_however_it_ends_the_policy_is_what_the_stack_needs(protected, capsys, raised, left):
    cloud = Cloud(environment.load(protected.root, protected.env))
    stack = stacks.describe(cloud, protected.stack("data"))
    assert stack is not None

    def update() -> None:
        with stack_policies.lifted(cloud, Terminal(), stack, ["Table"]):
            assert policy_of(protected) == stack_policies.policy(["Table"])
            raise raised

    with pytest.raises(type(raised)):
        update()
    assert policy_of(protected) == stack_policies.policy(left)
    assert ("put it back" in capsys.readouterr().err) is bool(left)
    shown = protected.do("change", "--name", "next", "--runtime", "process").stdout
    assert ("The stack policy keeps what holds data" in shown) is bool(left)
