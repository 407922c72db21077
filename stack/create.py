"""`create`: an environment from nothing, or what is missing of one."""

from __future__ import annotations

import http.client
import ssl
import time
from dataclasses import asdict
from datetime import UTC, datetime

from stack.aws import changesets, endpoint, refusals, stacks
from stack.aws.clients import Cloud
from stack.aws.stacks import COMPLETE, EMPTY, FAILED_CREATION, Stack
from stack.cost import show
from stack.errors import OK, REFUSED, ToolError
from stack.image import pin
from stack.outside import access, address
from stack.outside.access import Token
from stack.outside.address import Address
from stack.review import policies as stack_policies
from stack.review import protection
from stack.running import causes, verdict
from stack.running.progress import Follower, Outcome
from stack.terminal import Terminal

# A new load balancer's name takes a while to be known everywhere.
_REACHABLE_SECONDS = 180


def run(cloud: Cloud, terminal: Terminal, runtime: pin.Runtime) -> int:
    """Create the environment's missing stacks; return the exit code. Raises a ToolError when one fails."""
    environment = cloud.environment
    begun = time.monotonic()
    stacks.check_rules(environment, {})
    pin.check_runtime(environment, runtime)
    if runtime == "container":
        # Asked for by name: without an engine nothing is even started.
        pin.choose(cloud, runtime, terminal)
    started = endpoint.ensure(cloud, terminal)
    found = stacks.describe_all(cloud)
    missing = [name for name, stack in found.items() if stack is None or stack.status not in COMPLETE]
    if not missing:
        return _exists(cloud, terminal, started)
    for name in missing:
        _check_state(cloud, found[name])
    if any(environment.builds_for(name) for name in missing):
        # Known now rather than after minutes: an image needs an engine.
        pin.choose(cloud, runtime, terminal)
    there = [name for name in environment.stacks if name not in missing]
    if there:
        terminal.say(f"Continuing; complete already: {', '.join(there)}")
    if not environment.endpoint:
        show.announce(terminal, environment)
    count = sum(len(environment.templates[name].resources) for name in missing)
    terminal.say(
        f"Creating {environment.name} at {cloud.where}: {', '.join(missing)} (up to {count} resources)"
    )
    for name in missing:
        _create(cloud, terminal, name, found[name], runtime)
    terminal.say(f"{environment.name} is complete after {time.monotonic() - begun:.0f} s", "bold green")
    service, token = _hand_over(cloud, terminal)
    _data(cloud, terminal, "created", service, token)
    return OK


def _check_state(cloud: Cloud, stack: Stack | None) -> None:
    if stack is None or stack.status == EMPTY or stack.status in FAILED_CREATION:
        return
    name = cloud.environment.name
    if stack.status.endswith("_IN_PROGRESS"):
        raise ToolError(
            f"{stack.name} is {stack.status}: an operation is running. Nothing was changed.",
            f"Wait until it rests (make status ENV={name}), then run this again.",
            REFUSED,
        )
    raise ToolError(
        f"{stack.name} is {stack.status}, and create cannot continue from that. Nothing was changed.",
        f"See what failed: make last-update-failure ENV={name}",
        REFUSED,
    )


def _exists(cloud: Cloud, terminal: Terminal, started: bool) -> int:
    """Deal with an environment that is complete: fine when this call brought its endpoint back."""
    name = cloud.environment.name
    service = address.find(cloud, stacks.describe_all(cloud))
    if started:
        if service:
            _wait_until_reachable(service, terminal)
        terminal.say(f"{name} is back, as it was", "bold green")
    else:
        terminal.say(f"{name} exists already and is complete; nothing was changed.")
    if service:
        terminal.result(f"export URL={service.url}")
        if cloud.environment.token:
            terminal.say(f"A token to call it with:  make token ENV={name} NAME=me")
        terminal.say(f"Test it:                  make test ENV={name}")
    terminal.say(f"Change it:                make change ENV={name} NAME=my-change")
    _data(cloud, terminal, "back" if started else "exists", service, None)
    return OK if started else REFUSED


def _data(
    cloud: Cloud, terminal: Terminal, result: str, service: Address | None, token: Token | None
) -> None:
    terminal.data(
        {
            "environment": cloud.environment.name,
            "result": result,
            "stacks": [cloud.environment.stack_name(stack) for stack in cloud.environment.stacks],
            "url": service.url if service else None,
            "token": asdict(token) if token else None,
        }
    )


def _create(
    cloud: Cloud, terminal: Terminal, name: str, existing: Stack | None, runtime: pin.Runtime
) -> None:
    environment = cloud.environment
    if existing:
        remove_leftover(cloud, terminal, name, existing)
    known = stacks.outputs(cloud)
    stacks.check_rules(environment, known)
    image = ""
    if environment.builds_for(name):
        image = pin.ensure(cloud, known, runtime, terminal)
    values = stacks.wired(environment, name, known, image)
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    change_set = changesets.make(cloud, name, f"create-{moment}", "CREATE", values)
    stack = stacks.describe(cloud, environment.stack_name(name))
    if stack is None:
        raise ToolError(f"{environment.stack_name(name)} vanished while it was being created.")
    if change_set.status == "FAILED":
        why = refusals.told(cloud, change_set)
        # The empty stack that holds the change set is of no use to anybody.
        remove_leftover(cloud, terminal, name, stack)
        raise ToolError(f"CloudFormation refuses to create {stack.name}: {why}")
    outcome = operate(cloud, terminal, name, stack, "Creating", change_set)
    if outcome.status != "CREATE_COMPLETE":
        fail(cloud, terminal, name, "create", outcome)
    protection.follow(cloud, terminal)
    stack_policies.follow(cloud, terminal)


def operate(
    cloud: Cloud,
    terminal: Terminal,
    name: str,
    stack: Stack,
    verb: str,
    change_set: changesets.ChangeSet,
) -> Outcome:
    """Execute a change set and follow it to its end."""
    follower = Follower(cloud, terminal, cloud.environment.templates[name], stack)
    return follower.follow(verb, lambda: changesets.execute(cloud, change_set))


def fail(cloud: Cloud, terminal: Terminal, name: str, operation: str, outcome: Outcome) -> None:
    """Keep and print the verdict of a failed operation, then raise the ToolError that ends the command."""
    environment = cloud.environment
    found = verdict.make(environment, name, operation, outcome.status, outcome.events, outcome.evidence)
    verdict.keep(environment, found)
    verdict.show(terminal, found)
    terminal.data(found)
    again = (
        f"Correct the cause and run make create ENV={environment.name} again: it continues with {name}."
        if operation == "create"
        else "The stack is as it was before. Correct the cause, then review and approve a new change."
    )
    raise ToolError(
        f"{environment.stack_name(name)} ended {outcome.status}.",
        f"{again}\n  Shown again by: make last-{operation}-failure ENV={environment.name}",
    )


def remove_leftover(cloud: Cloud, terminal: Terminal, name: str, stack: Stack) -> None:
    """Delete a stack that never came to be, so that its name is free again."""
    if stack.status == EMPTY:
        terminal.say(f"{stack.name} is empty, left by an interrupted creation: deleting it first")
    else:
        terminal.say(f"{stack.name} is {stack.status}, left by a failed creation: deleting it first")
    follower = Follower(cloud, terminal, cloud.environment.templates[name], stack)
    outcome = follower.follow("Deleting", lambda: stacks.delete(cloud, stack))
    if outcome.status != "DELETE_COMPLETE":
        cause = causes.first(outcome.events)
        why = f": {cause.logical_id}: {cause.reason}" if cause else ""
        raise ToolError(f"{stack.name} could not be deleted, it is {outcome.status}{why}")


def _wait_until_reachable(service: Address, terminal: Terminal) -> None:
    deadline = time.monotonic() + _REACHABLE_SECONDS
    said = False
    while True:
        try:
            answer = service.get(service.health_path, seconds=5)
            if answer.status == 200:
                return
            last = f"it answers {answer.status}"
        except ssl.SSLCertVerificationError as error:
            raise ToolError(
                f"The stacks are complete, but the certificate of {service.url} is not trusted: {error}",
                'Where a private authority signs it, name that one\'s certificate: [endpoint] ca = "..."',
            ) from error
        except (OSError, http.client.HTTPException) as error:
            last = str(error) or type(error).__name__
        if time.monotonic() > deadline:
            raise ToolError(
                f"The stacks are complete, but {service.url}{service.health_path} does not answer 200: "
                f"{last}",
                "See the targets' health and the service's events in the console, or run make status.",
            )
        if not said:
            terminal.say(f"Waiting until {service.url} answers")
            said = True
        time.sleep(0.5)


def _hand_over(cloud: Cloud, terminal: Terminal) -> tuple[Address | None, Token | None]:
    """Print, and return, what one needs to call the service: its URL, a token; and a ready line."""
    service = address.find(cloud, stacks.describe_all(cloud))
    if not service:
        terminal.say(f"What it holds and gives:  make outputs ENV={cloud.environment.name}")
        return None, None
    _wait_until_reachable(service, terminal)
    terminal.result(f"export URL={service.url}")
    if cloud.environment.token is None:
        terminal.say("It answers. Try it:")
        terminal.result(f'curl -s{service.curl_options} "$URL{service.health_path}"')
        return service, None
    token = access.create(cloud, "first")
    terminal.result(f"export TOKEN={token.token}")
    terminal.say("The token is shown this once. Try it:")
    terminal.result(
        f'curl -s{service.curl_options} "$URL/echo" -H "Authorization: Bearer $TOKEN" '
        "-H 'Content-Type: application/json' -d '{\"str\": \"hello\"}'"
    )
    return service, token
