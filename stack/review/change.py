"""`change`: a change set for each stack that differs from the files, and a table of what they would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from botocore.exceptions import ClientError

from stack.aws import changesets, endpoint, refusals, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import COMPLETE, Stack
from stack.cost import difference
from stack.cost.difference import Difference
from stack.errors import OK, ToolError, refused, usage
from stack.files import values
from stack.files.environment import Environment
from stack.image import pin
from stack.review import bound, gate, protection, uses
from stack.review import forms as review_forms
from stack.review import policies as stack_policies
from stack.review import rows as review
from stack.review.rows import Row
from stack.terminal import Terminal

Format = Literal["table", "markdown", "json"]


@dataclass(frozen=True)
class Form:
    """How a review is printed: as what, all properties or only those that change, also into which file."""

    format: Format = "table"
    full: bool = False
    file: Path | None = None

    def check(self) -> None:
        """Raise a usage ToolError when it cannot be printed so."""
        if self.file and self.format != "markdown":
            raise usage("Only Markdown is written to a file.", "Add FORMAT=markdown (or --format markdown).")
        if self.file and not self.file.parent.is_dir():
            raise usage(f"{self.file} cannot be written: there is no folder {self.file.parent}.")


def run(
    cloud: Cloud, terminal: Terminal, name: str, runtime: pin.Runtime, form: Form, image: str = ""
) -> int:
    """Make the change sets called `name`, print them and return the exit code. No change is a success.

    `image` is one that is in the repository, by digest, instead of the working tree's.
    """
    form.check()
    pin.check_runtime(cloud.environment, runtime)
    endpoint.present(cloud, terminal)
    found = _complete(cloud)
    _check_name_is_free(cloud, name)
    known = {stack: state.outputs for stack, state in found.items()}
    environment = cloud.environment
    stacks.check_rules(environment, known)
    if not image and any(environment.builds_for(stack) for stack in environment.stacks):
        image = pin.ensure(cloud, known, runtime, terminal)
    made: list[changesets.ChangeSet] = []
    rows: list[Row] = []
    before: dict[str, values.Side] = {}
    after: dict[str, values.Side] = {}
    wanted: dict[str, Mapping[str, str]] = {}
    try:
        for stack, state in found.items():
            wanted[stack] = stacks.wired(environment, stack, known, image)
            change_set = changesets.make(cloud, stack, name, "UPDATE", wanted[stack])
            made.append(change_set)
            if change_set.nothing:
                changesets.delete(cloud, made.pop())
                continue
            if change_set.status == "FAILED":
                why = refusals.told(cloud, change_set)
                raise ToolError(f"CloudFormation refuses the change of {state.name}: {why}")
            after[stack] = values.side(environment.templates[stack].body, wanted[stack])
            before[stack] = values.current(cloud, state)
            rows += review.rows(change_set, before[stack], after[stack], form.full)
        cost = difference.of(cloud, terminal, found, wanted, before)
    except BaseException:
        # A review that is not whole must not be approved: none of it stays.
        for change_set in made:
            changesets.delete(cloud, change_set)
        raise
    unknown = review.late(environment, rows, after)
    review.mark(rows, unknown, after)
    notes = [
        f"{use.in_words}, and would go: approve will refuse, and say what to do first"
        for use in uses.find(environment, found, rows, before)
    ]
    notes += [
        f"{one.in_words}, which AWS refuses: approve will, too" for one in bound.find(environment, rows)
    ]
    notes += [
        f"{output} is a new output of {source}; a stack that takes it needs another change afterwards"
        for output, source in _not_given_yet(environment, known)
    ]
    notes += [one.in_words for one in unknown if one.parameter in known[one.source]]
    if cost and cost.in_words:
        notes.append(cost.in_words)
    differ = protection.differing(cloud, found.values())
    policies = stack_policies.differing(cloud, found.values())
    _print(cloud, terminal, name, made, rows, unknown, notes, differ, policies, cost, form)
    return OK


def _not_given_yet(environment: Environment, known: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """Parameters for which an earlier stack has an output that it does not give yet, with that stack."""
    found: list[tuple[str, str]] = []
    for place, stack in enumerate(environment.stacks):
        for name in environment.templates[stack].parameters:
            sources = [
                one for one in environment.stacks[:place] if name in environment.templates[one].outputs
            ]
            if name not in environment.parameters[stack] and sources and name not in known[sources[-1]]:
                found.append((name, sources[-1]))
    return found


def _complete(cloud: Cloud) -> dict[str, Stack]:
    """Return the environment's stacks; raise unless every one is there and at rest."""
    environment = cloud.environment
    found: dict[str, Stack] = {}
    for name, stack in stacks.describe_all(cloud).items():
        if stack is None or stack.status not in COMPLETE:
            state = "does not exist" if stack is None else f"is {stack.status}"
            raise refused(
                f"{environment.stack_name(name)} {state}, so there is nothing to change. Nothing was done.",
                f"Create what is missing: make create ENV={environment.name}",
            )
        found[name] = stack
    return found


def _check_name_is_free(cloud: Cloud, name: str) -> None:
    environment = cloud.environment
    taken = [stack for stack in environment.stacks if changesets.describe(cloud, name, stack)]
    if taken:
        raise refused(
            f"There is a change set {name} already, for {', '.join(taken)}. Nothing was done.",
            f"Approve it (make approve ENV={environment.name} NAME={name}), drop it "
            f"(make reject ENV={environment.name} NAME={name}), or choose another NAME.",
        )


def _print(
    cloud: Cloud,
    terminal: Terminal,
    name: str,
    made: list[changesets.ChangeSet],
    rows: list[Row],
    unknown: list[review.Late],
    notes: list[str],
    differ: list[Stack],
    policies: list[Stack],
    cost: Difference | None,
    form: Form,
) -> None:
    environment = cloud.environment
    dangers = gate.dangers(rows)
    guarded = [
        f"{row.logical_id} ({row.type}) is guarded"
        f"{f', and this {gate.would(row)} it' if row.loses else ''}"
        f": approve only with REPLACE={row.logical_id}"
        for row in dangers
    ]
    for note in [*notes, *guarded]:
        terminal.notice(note)
    if form.format == "json":
        terminal.json(
            {
                "environment": environment.name,
                "name": name,
                "change_sets": {change_set.stack: change_set.id for change_set in made},
                "changes": review.as_data(rows),
                "known_once_applied": [asdict(one) for one in unknown],
                "needs_replace": [row.logical_id for row in dangers],
                "termination_protection": {stack.name: not stack.protected for stack in differ},
                "stack_policies": {
                    stack.name: bool(environment.termination_protection) for stack in policies
                },
                "cost": cost and cost.as_data(),
            }
        )
        return
    head: list[str] = []
    if differ:
        head.append(protection.in_words(cloud, differ))
    if policies:
        head.append(stack_policies.in_words(cloud, policies))
    if not (made or differ or policies):
        head.append("Nothing to change: the stacks are as the files say.")
    elif made and not rows:
        head.append("Only the stacks' own settings (outputs, tags) change.")
    named = f" REPLACE={','.join(row.logical_id for row in dangers)}" if dangers else ""
    approve = f"make approve ENV={environment.name} NAME={name}{named}"
    if form.format == "markdown":
        text = review_forms.markdown(
            f"Change {name} of {environment.name}",
            [*head, *notes, *guarded, *([f"Do it: {approve}"] if made or differ or policies else [])],
            rows,
            form.full,
        )
        terminal.result(text)
        if form.file:
            try:
                form.file.write_text(f"{text}\n", encoding="utf-8")
            except OSError as error:
                raise ToolError(f"The review is made, but {form.file} was not written: {error}") from error
    else:
        for line in head:
            terminal.result(line)
        if rows:
            review_forms.show(terminal, rows, form.full)
    if made or differ or policies:
        terminal.say(f"Nothing has been done yet. Do it:  {approve}")
        terminal.say(f"Or drop it:                        make reject ENV={environment.name} NAME={name}")


def reject(cloud: Cloud, terminal: Terminal, name: str) -> int:
    """Delete the change sets called `name`. Returns the exit code; having nothing to delete is a refusal."""
    endpoint.require(cloud)
    found = [changesets.describe(cloud, name, stack) for stack in cloud.environment.stacks]
    there = [change_set for change_set in found if change_set]
    if not there:
        raise refused(f"{cloud.environment.name} has no change set {name}.", names_hint(cloud))
    for change_set in there:
        try:
            changesets.delete(cloud, change_set)
        except ClientError as error:
            raise ToolError(
                f"The change set {name} of {change_set.stack} was not deleted: {error}"
            ) from error
        terminal.say(f"Deleted the change set {name} of {cloud.environment.stack_name(change_set.stack)}")
    terminal.data(
        {
            "environment": cloud.environment.name,
            "name": name,
            "rejected": [change_set.stack for change_set in there],
        }
    )
    return OK


def names_hint(cloud: Cloud) -> str:
    """Say which change sets wait for approval, or how to make one."""
    if names := pending_names(cloud):
        return f"Waiting for approval: {', '.join(names)}"
    return f"Make one first: make change ENV={cloud.environment.name} NAME=my-change"


def pending_names(cloud: Cloud) -> list[str]:
    """Names of the changes that wait for approval."""
    stack_names = cloud.environment.stacks
    return sorted({name for stack in stack_names for name in changesets.pending_names(cloud, stack)})
