"""The gate in front of `approve`: what would be lost, or would break its address, has to be named first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stack.aws.changesets import ChangeSet
from stack.aws.stacks import COMPLETE, Stack
from stack.errors import nearest, refused, usage
from stack.files.environment import IMAGE_PARAMETER, Environment
from stack.files.parameters import HIDDEN
from stack.files.templates import parse
from stack.review.guarded import GUARDED
from stack.review.rows import Row


def dangers(found: Iterable[Row]) -> list[Row]:
    """Rows, one per resource, that remove, replace or may replace something guarded, or a replica of it."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in found:
        lost = row.action in ("Remove", "Dynamic") or row.replacement in ("yes", "may") or row.loses
        if row.type in GUARDED and lost:
            chosen.setdefault((row.stack, row.logical_id), row)
    return list(chosen.values())


def check(found: Sequence[Row], named: Sequence[str], approve: str) -> None:
    """Raise unless every danger is in `named` (LogicalId or stack.LogicalId).

    `approve` is the command that was run, to be repeated with names.
    """
    known = {row.logical_id for row in found} | {f"{row.stack}.{row.logical_id}" for row in found}
    for word in named:
        if word not in known:
            raise usage(
                f'REPLACE names "{word}", which this change does not touch{nearest(word, known)}.',
                f"It touches: {', '.join(sorted({row.logical_id for row in found})) or 'nothing'}",
            )
    left = [
        row
        for row in dangers(found)
        if row.logical_id not in named and f"{row.stack}.{row.logical_id}" not in named
    ]
    if not left:
        return
    lines = "\n".join(f"  {would(row)} {row.stack}.{row.logical_id} ({row.type})" for row in left)
    raise refused(
        f"Refused; nothing was done. This change\n{lines}\n"
        "and that may lose data, break an address or leave it unprotected.",
        f"If it is meant: {approve} REPLACE={','.join(row.logical_id for row in left)}",
    )


def would(row: Row) -> str:
    """Say what a danger does to its resource: "removes", "may replace", "deletes the replica in ... of"."""
    if row.action == "Remove":
        return "removes"
    if row.loses and row.replacement == "no":
        return row.loses
    return "replaces" if row.replacement == "yes" else "may replace"


def check_fresh(change_set: ChangeSet, stack: Stack, again: str) -> None:
    """Raise unless the change set can be executed on the stack as it is now. `again` makes it anew."""
    name = f"The change set {change_set.name} of {stack.name}"
    if change_set.execution_status == "EXECUTE_COMPLETE":
        raise refused(f"{name} was executed already; nothing was done.")
    if change_set.execution_status == "OBSOLETE" or (stack.updated and stack.updated > change_set.created):
        raise refused(
            f"{name} is stale: the stack was updated after it was reviewed. Nothing was done.",
            f"Review it again: {again}",
        )
    if change_set.execution_status != "AVAILABLE":
        reason = f": {change_set.reason}" if change_set.reason else ""
        raise refused(
            f"{name} cannot be executed, it is {change_set.status}/{change_set.execution_status}{reason}",
            f"Make it again: {again}",
        )
    if stack.status not in COMPLETE:
        raise refused(
            f"{stack.name} is {stack.status}; a change can be approved only when it rests complete.",
            "Wait for the running operation, or see what failed: make status, make last-update-failure",
        )


def check_reviewed(environment: Environment, change_set: ChangeSet, body: str, again: str) -> None:
    """Raise when the files are other than what was reviewed, whose template was `body`.

    What was reviewed would still be executed; but whoever approves would take it for what the files say. The
    image is left out, as `rollback` reviews another one than the working tree's on purpose.
    """
    changed = list(_changed(environment, change_set, body))
    if changed:
        raise refused(
            f"Since {change_set.name} was reviewed the files changed: {', '.join(changed)}. "
            "Nothing was done.",
            f"Review what they say now: {again}-2; or bring the reviewed files back.",
        )


def _changed(environment: Environment, change_set: ChangeSet, body: str) -> Iterator[str]:
    stack = change_set.stack
    template = environment.templates[stack]
    if parse(body) != template.document:
        yield f"the template of {stack}"
    earlier = environment.stacks[: environment.stacks.index(stack)]
    outputs = {name for one in earlier for name in environment.templates[one].outputs}
    given = environment.parameters[stack]
    for name, declared in template.parameters.items():
        # What outputs give is compared when the stack's turn comes.
        if name == IMAGE_PARAMETER or (name in outputs and name not in given):
            continue
        wanted, reviewed = given.get(name, declared.default), change_set.parameters.get(name)
        if wanted is not None and reviewed not in (None, HIDDEN, wanted):
            yield f"{name} of {stack}"
