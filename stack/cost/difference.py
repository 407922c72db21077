"""What a change does to the bill: the stacks as they are, against the stacks as the files would make them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stack.aws.clients import Cloud
from stack.aws.stacks import Stack
from stack.cost import bill
from stack.cost.bill import Bill
from stack.cost.usage import Usage
from stack.errors import ToolError
from stack.files import templates
from stack.scan.templates import resolved_with
from stack.terminal import Terminal


@dataclass(frozen=True)
class Difference:
    """Two bills of one environment."""

    before: Bill
    after: Bill

    @property
    def in_words(self) -> str:
        """One line, empty where neither sum differs by a cent."""
        sums = (self.before.as_data(), self.after.as_data())
        if sums[0] == sums[1]:
            return ""
        idle, total = ((sums[0][key], sums[1][key]) for key in ("idle", "total"))
        return (
            f"what it costs, in USD a month: idle {idle[0]:.2f} -> {idle[1]:.2f} ({idle[1] - idle[0]:+.2f}), "
            f"with some use {total[0]:.2f} -> {total[1]:.2f} ({total[1] - total[0]:+.2f})"
        )

    def as_data(self) -> Mapping[str, Any]:
        """Both bills' sums, for --json."""
        return {"before": self.before.as_data(), "after": self.after.as_data()}


def of(
    cloud: Cloud,
    terminal: Terminal,
    found: Mapping[str, Stack],
    wanted: Mapping[str, Mapping[str, str]],
    changed: Collection[str],
) -> Difference | None:
    """Compare the bills before and after a change; None, said aloud, where one cannot be made.

    `found` are all stacks, `wanted` the values of their parameters afterwards, `changed` those that differ.
    """
    environment = cloud.environment
    try:
        after = {
            stack: resolved_with(environment, stack, environment.templates[stack].document, wanted[stack], {})
            for stack in found
        }
        before = {
            stack: resolved_with(environment, stack, _present(cloud, state), state.parameters, {})
            if stack in changed
            else after[stack]
            for stack, state in found.items()
        }
    except (ToolError, ValueError) as error:
        # A template of before may hold what this tool does not resolve; the review must go on without.
        terminal.notice(f"what it costs before and after cannot be told: {error}")
        return None
    usage = Usage()
    return Difference(bill.of_stacks(environment, before, usage), bill.of_stacks(environment, after, usage))


def _present(cloud: Cloud, stack: Stack) -> Mapping[str, Any]:
    """Read the template that a stack has."""
    body = cloud.of(stack.id).cloudformation.get_template(StackName=stack.id, TemplateStage="Original")[
        "TemplateBody"
    ]
    return templates.parse(body if isinstance(body, str) else json.dumps(body))
