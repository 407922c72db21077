"""`approve`: executes what was reviewed, after the gate, in deployment order."""

from __future__ import annotations

from collections.abc import Sequence

import click

from stack import create
from stack.aws import changesets, endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.errors import OK, ToolError, refused
from stack.files import values
from stack.review import bound, gate, guarded, protection, uses
from stack.review import forms as review_forms
from stack.review import policies as stack_policies
from stack.review import rows as review
from stack.review.change import names_hint, pending_names
from stack.terminal import Terminal

_SETTLED = ("UPDATE_COMPLETE",)


def run(cloud: Cloud, terminal: Terminal, name: str, replace: Sequence[str], yes: bool) -> int:
    """Execute the change sets called `name`; return the exit code.

    Everything is checked before the first one is executed. On a terminal a question is asked unless `yes`;
    without one, the command itself is the approval. The gate is never passed by either.
    """
    endpoint.present(cloud, terminal)
    environment = cloud.environment
    again = f"make change ENV={environment.name} NAME={name}"
    chosen: list[tuple[changesets.ChangeSet, Stack]] = []
    rows: list[review.Row] = []
    before: dict[str, values.Side] = {}
    executed: list[str] = []
    there = stacks.describe_all(cloud)
    if not any(there.values()):
        raise refused(
            f"{environment.name} does not exist at {cloud.where}, so there is nothing to approve.",
            f"Create it first: make create ENV={environment.name}",
        )
    for stack_name, stack in there.items():
        change_set = changesets.describe(cloud, name, stack_name) if stack else None
        if change_set is None or stack is None:
            continue
        if change_set.execution_status == "EXECUTE_COMPLETE":
            executed.append(stack_name)
            continue
        gate.check_fresh(change_set, stack, again)
        body = _body(cloud, change_set)
        gate.check_reviewed(environment, change_set, body, again)
        after = values.side(body, change_set.parameters)
        before[stack_name] = values.current(cloud, stack)
        rows += review.rows(change_set, before[stack_name], after)
        chosen.append((change_set, stack))
    if not chosen and executed:
        raise refused(f"The change {name} was executed already ({', '.join(executed)}). Nothing was done.")
    differ = protection.differing(cloud, there.values())
    policies = stack_policies.differing(cloud, there.values())
    if not chosen and (not (differ or policies) or pending_names(cloud)):
        raise refused(
            f"{environment.name} has no change set {name} to approve. Nothing was done.", names_hint(cloud)
        )
    gate.check(rows, replace, f"make approve ENV={environment.name} NAME={name}")
    bound.check(bound.find(environment, rows))
    uses.check(environment, uses.find(environment, there, rows, before))
    listed = ", ".join([change_set.stack for change_set, _ in chosen] or ["the protection"])
    if terminal.asks and not yes:
        if rows:
            review_forms.show(terminal, rows)
        if differ:
            terminal.say(protection.in_words(cloud, differ))
        if policies:
            terminal.say(stack_policies.in_words(cloud, policies))
        click.confirm(f"Change {listed} of {environment.name} now?", abort=True, err=True)
    for number, (change_set, stack) in enumerate(chosen):
        if number:
            _check_wiring(cloud, change_set, again)
        named = {
            row.logical_id
            for row in gate.dangers(rows)
            if row.stack == change_set.stack and row.type in guarded.STATEFUL
        }
        with stack_policies.lifted(cloud, terminal, stack, named):
            outcome = create.operate(cloud, terminal, change_set.stack, stack, "Updating", change_set)
        if outcome.status not in _SETTLED:
            create.fail(cloud, terminal, change_set.stack, "update", outcome)
    protection.follow(cloud, terminal)
    stack_policies.follow(cloud, terminal)
    terminal.say(f"The change {name} is done: {listed}", "bold green")
    passed_on = _say_what_to_pass_on(cloud, terminal, f"{again}-2")
    terminal.data(
        {
            "environment": environment.name,
            "name": name,
            "executed": [change_set.stack for change_set, _ in chosen],
            "pass_on": passed_on,
        }
    )
    return OK


def _say_what_to_pass_on(cloud: Cloud, terminal: Terminal, again: str) -> list[dict[str, str]]:
    """Name, and return, every output that a later stack was made with another value of."""
    known = stacks.outputs(cloud)
    found: list[dict[str, str]] = []
    for stack_name, stack in stacks.describe_all(cloud).items():
        moved = stacks.outdated(cloud.environment, stack_name, stack.parameters if stack else {}, known)
        for output, source in moved.items():
            terminal.notice(f"{output} of {source} is another now; pass it on to {stack_name}: {again}")
            found.append({"output": output, "of": source, "to": stack_name})
    return found


def _body(cloud: Cloud, change_set: changesets.ChangeSet) -> str:
    found = cloud.of(change_set.stack).cloudformation.get_template(
        StackName=cloud.environment.stack_name(change_set.stack),
        ChangeSetName=change_set.id,
        TemplateStage="Original",
    )["TemplateBody"]
    if isinstance(found, str):
        return found
    raise ToolError(f"The change set {change_set.name} of {change_set.stack} has no template text.")


def _check_wiring(cloud: Cloud, change_set: changesets.ChangeSet, again: str) -> None:
    """Raise when an earlier stack's change altered an output that this change set was made with."""
    moved = stacks.outdated(cloud.environment, change_set.stack, change_set.parameters, stacks.outputs(cloud))
    if moved:
        raise refused(
            f"Stopped before {cloud.environment.stack_name(change_set.stack)}: {', '.join(moved)} changed "
            "with the stacks before it, so what was reviewed is no longer what would happen.",
            f"Review the rest: {again}-2",
        )
