"""Stack policies: where termination protection is on, no update replaces or deletes what holds data.

The gate in `approve` stops this tool; the policy stops whoever updates a stack without it. CloudFormation
takes no policy with a change set, so what was named is let through by one that is set before and taken back
after.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import COMPLETE, Stack
from stack.errors import INTERRUPTED, ToolError
from stack.review.guarded import STATEFUL
from stack.terminal import Terminal

_ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


def policy(except_for: Iterable[str] = ()) -> dict[str, Any]:
    """Make the policy that keeps what holds data; resources in `except_for`, by logical id, may go."""
    free = sorted(f"LogicalResourceId/{name}" for name in except_for)
    deny: dict[str, Any] = {
        "Effect": "Deny",
        "Action": ["Update:Replace", "Update:Delete"],
        "Principal": "*",
        **({"NotResource": free} if free else {"Resource": "*"}),
        "Condition": {"StringEquals": {"ResourceType": sorted(STATEFUL)}},
    }
    return {"Statement": [_ALLOW, deny]}


def differing(cloud: Cloud, found: Iterable[Stack | None]) -> list[Stack]:
    """Complete stacks whose policy is another than termination_protection asks for.

    Without protection only a policy of this tool's is taken away; where the file says nothing, nothing
    differs.
    """
    wanted = cloud.environment.termination_protection
    if wanted is None:
        return []
    resting = [stack for stack in found if stack and stack.status in COMPLETE]
    if wanted:
        return [stack for stack in resting if _of(cloud, stack) != policy()]
    return [stack for stack in resting if _is_ours(_of(cloud, stack))]


def in_words(cloud: Cloud, differ: Iterable[Stack]) -> str:
    """Say what following the file would do; an empty string where it would do nothing."""
    names = ", ".join(stack.name for stack in differ)
    verb = "keeps" if cloud.environment.termination_protection else "no longer keeps"
    return f"The stack policy {verb} what holds data from updates in {names}" if names else ""


def follow(cloud: Cloud, terminal: Terminal) -> None:
    """Give the complete stacks the policy that the file asks for. CloudFormation cannot remove one."""
    differ = differing(cloud, stacks.describe_all(cloud).values())
    for stack in differ:
        _set(cloud, stack, policy() if cloud.environment.termination_protection else {"Statement": [_ALLOW]})
    if differ:
        terminal.say(in_words(cloud, differ))


@contextlib.contextmanager
def lifted(cloud: Cloud, terminal: Terminal, stack: Stack, named: Iterable[str]) -> Iterator[None]:
    """Let the resources `named` go while the body runs, however it ends; does nothing without such a policy.

    After Ctrl-C the update goes on, so the policy stays lifted for these resources; that is said.
    """
    names = sorted(named)
    before = _of(cloud, stack) if names else None
    if before is None or not _is_ours(before):
        yield
        return
    _set(cloud, stack, policy(names))
    terminal.say(f"The stack policy of {stack.name} lets {', '.join(names)} go for this update")
    try:
        yield
    except ToolError as error:
        if error.code != INTERRUPTED:
            _set(cloud, stack, policy())
            raise
        env = cloud.environment.name
        terminal.notice(
            f"the update goes on, so the stack policy of {stack.name} still lets {', '.join(names)} go; "
            f"the next make change and make approve of {env} put it back"
        )
        raise
    except BaseException:
        _set(cloud, stack, policy())
        raise
    _set(cloud, stack, policy())


def _of(cloud: Cloud, stack: Stack) -> dict[str, Any] | None:
    body = cloud.of(stack.id).cloudformation.get_stack_policy(StackName=stack.id).get("StackPolicyBody")
    found: dict[str, Any] | None = json.loads(body) if body else None
    return found


def _is_ours(found: dict[str, Any] | None) -> bool:
    """Say whether it is this tool's policy, lifted for some resources or not, with whatever list of types."""
    if found is None:
        return False
    free = [
        str(name).removeprefix("LogicalResourceId/")
        for statement in found.get("Statement", [])
        for name in statement.get("NotResource", [])
    ]
    return _without_types(found) == _without_types(policy(free))


def _without_types(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**statement, "Condition": list(statement.get("Condition", {}).get("StringEquals", {}))}
        for statement in found.get("Statement", [])
    ]


def _set(cloud: Cloud, stack: Stack, wanted: dict[str, Any]) -> None:
    cloud.of(stack.id).cloudformation.set_stack_policy(StackName=stack.id, StackPolicyBody=json.dumps(wanted))
