"""What a change would remove while a later stack still uses it.

CloudFormation deletes it last, after the update counts as complete. The deletion then fails, and the resource
stays behind in no stack. So the later stack has to let go first, in a change of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stack.aws.stacks import Stack
from stack.errors import refused
from stack.files.environment import Environment
from stack.files.values import Side
from stack.review.rows import Row
from stack.scan.resolve import references


@dataclass(frozen=True)
class Use:
    """A resource that goes, and the parameter by which a later stack has it."""

    stack: str
    logical_id: str
    parameter: str
    user: str

    @property
    def in_words(self) -> str:
        """A sentence without its full stop."""
        return f"{self.stack}.{self.logical_id} is used by {self.user}, as {self.parameter}"


def find(
    environment: Environment,
    found: Mapping[str, Stack | None],
    rows: Sequence[Row],
    before: Mapping[str, Side],
) -> list[Use]:
    """Find what `rows` remove and a later stack was given through an output that it still has as a parameter.

    `before` holds how each changed stack is now. What is retained when it is removed may be used on.
    """
    uses: list[Use] = []
    removed = {
        (row.stack, row.logical_id)
        for row in rows
        if row.action == "Remove" and "Retain" not in row.policy_action
    }
    for stack, logical_id in sorted(removed):
        own = found[stack]
        if own is None or before[stack].retains(logical_id):
            continue
        for output, declared in before[stack].outputs.items():
            if logical_id not in references(declared.get("Value")):
                continue
            for user in environment.stacks[environment.stacks.index(stack) + 1 :]:
                later = found[user]
                if later and output in own.outputs and later.parameters.get(output) == own.outputs[output]:
                    uses.append(Use(stack, logical_id, output, user))
    return uses


def check(environment: Environment, uses: Sequence[Use]) -> None:
    """Raise when something that goes is still in use."""
    if not uses:
        return
    lines = "\n".join(f"  {use.in_words}" for use in uses)
    first = "\n".join(f"  {use.parameter} in [parameters.{use.user}]" for use in uses)
    raise refused(
        f"Refused; nothing was done. This change removes what a later stack still uses:\n{lines}\n"
        "CloudFormation could not delete it then, and would leave it behind in no stack.",
        f"First, in a change of its own, give another value to\n{first}\n  of {environment.file}; then this.",
    )
