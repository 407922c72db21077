"""`watch` and `cancel`: attach to an operation that runs already, wherever it was started from."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import EMPTY, Stack
from stack.errors import FAILED, OK, ToolError, refused
from stack.running import verdict
from stack.running.progress import Follower, Outcome
from stack.terminal import Terminal

# How many looks the next stack of the same create or approve gets to begin.
_NEXT_LOOKS = 5
_VERBS = {
    "CREATE": "Creating",
    "ROLLBACK": "Rolling back the creation of",
    "DELETE": "Deleting",
    "UPDATE_ROLLBACK": "Rolling back the update of",
}
_GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "IMPORT_COMPLETE")


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Follow what runs on the environment's stacks, one after the other; return the exit code.

    0 when all ended well, or nothing runs; 1 when one failed, with its verdict. Writes nothing.
    """
    endpoint.require(cloud)
    env = cloud.environment.name
    ended: list[dict[str, Any]] = []
    last = ""
    while found := _running(cloud, _NEXT_LOOKS if ended else 1):
        name, stack = found
        outcome = _follow(cloud, terminal, name, stack, _verb(stack.status))
        last = outcome.status
        failure = None if last in _GOOD else _verdict(cloud, name, outcome)
        ended.append({"stack": stack.name, "status": last, "verdict": failure})
        if failure:
            break
    if as_json:
        terminal.json({"environment": env, "operations": ended})
    elif not ended:
        terminal.say(f"Nothing runs on {env}. How it is: make status ENV={env}")
    elif failure := ended[-1]["verdict"]:
        verdict.show(terminal, failure)
    else:
        terminal.say(f"Nothing runs on {env} any more", "bold green")
    return OK if last in ("", *_GOOD) else FAILED


def _running(cloud: Cloud, looks: int) -> tuple[str, Stack] | None:
    """The first stack on which something runs; it is looked for that often."""
    for look in range(looks):
        if look:
            time.sleep(cloud.pause)
        for name, stack in stacks.describe_all(cloud).items():
            if stack and stack.status.endswith("_IN_PROGRESS") and stack.status != EMPTY:
                return name, stack
    return None


def _verb(status: str) -> str:
    matching = [start for start in _VERBS if status.startswith(f"{start}_")]
    return _VERBS[max(matching, key=len)] if matching else "Updating"


def _follow(cloud: Cloud, terminal: Terminal, name: str, stack: Stack, verb: str) -> Outcome:
    follower = Follower(cloud, terminal, cloud.environment.templates[name], stack, running=True)
    return follower.follow(verb, lambda: None)


def _verdict(cloud: Cloud, name: str, outcome: Outcome) -> dict[str, Any]:
    operation = "update" if outcome.status.startswith("UPDATE") else "create"
    operation = "delete" if outcome.status.startswith("DELETE") else operation
    return verdict.make(cloud.environment, name, operation, outcome.status, outcome.events, outcome.evidence)


def cancel(cloud: Cloud, terminal: Terminal) -> int:
    """Cancel the update that runs, wait for its rollback, and return the exit code.

    Raises a refusal where nothing runs, or what runs cannot be cancelled: it says what can be done instead.
    """
    endpoint.require(cloud)
    env = cloud.environment.name
    found = _running(cloud, 1)
    if not found:
        raise refused(f"Nothing runs on {env}, so there is nothing to cancel.", f"make status ENV={env}")
    name, stack = found
    if stack.status != "UPDATE_IN_PROGRESS":
        raise _cannot(cloud, stack)
    try:
        cloud.of(stack.id).cloudformation.cancel_update_stack(StackName=stack.id)
    except ClientError as error:
        now = stacks.describe(cloud, stack.id)
        if now and now.status != "UPDATE_IN_PROGRESS":
            # It moved on between the look and the call.
            raise _cannot(cloud, now) from error
        raise
    outcome = _follow(cloud, terminal, name, stack, "Cancelling the update of")
    if outcome.status == "UPDATE_ROLLBACK_COMPLETE":
        terminal.result(f"{stack.name} is UPDATE_ROLLBACK_COMPLETE: as it was before the update.")
        terminal.data({"environment": env, "stack": stack.name, "status": outcome.status})
        return OK
    if outcome.status == "UPDATE_COMPLETE":
        raise refused(
            f"{stack.name} was UPDATE_COMPLETE before the cancellation took hold: the update is done.",
            f"To go back, make a change of the files: make change ENV={env} NAME=back",
        )
    failure = _verdict(cloud, name, outcome)
    verdict.show(terminal, failure)
    terminal.data(failure)
    raise ToolError(
        f"{stack.name} ended {outcome.status}: it could not go back as a whole.",
        f"Correct the cause, then: aws cloudformation continue-update-rollback --stack-name {stack.name}",
    )


def _cannot(cloud: Cloud, stack: Stack) -> ToolError:
    env = cloud.environment.name
    hints = {
        "CREATE_IN_PROGRESS": (
            "a creation cannot be cancelled",
            f"Let it end (make watch ENV={env}); make create ENV={env} then makes anew what failed. "
            f"To end it at once: aws cloudformation delete-stack --stack-name {stack.name}",
        ),
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": (
            "the update is done, and only what it replaced is being removed",
            f"To go back, make a change of the files: make change ENV={env} NAME=back",
        ),
        "DELETE_IN_PROGRESS": (
            "a deletion cannot be cancelled",
            f"See it through: make watch ENV={env}; then make create ENV={env} makes it anew.",
        ),
    }
    why, hint = hints.get(
        stack.status, ("it goes back already, or has come to rest", f"See it through: make watch ENV={env}")
    )
    return refused(f"{stack.name} is {stack.status}: {why}. Nothing was done.", hint)
