"""`restore`: the environment's table as it was at a moment, beside the one in use; what to do next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from stack.aws import endpoint
from stack.aws.clients import Cloud
from stack.errors import INTERRUPTED, OK, ToolError
from stack.recover import compare, ending, moment, restoring, settings, table
from stack.recover.compare import Difference
from stack.recover.moment import Window, in_words
from stack.recover.restoring import Restored
from stack.recover.table import Live
from stack.terminal import Terminal


@dataclass(frozen=True)
class _Step:
    """Something to do next: a command, or a line of the environment file."""

    words: str
    why: str


def run(cloud: Cloud, terminal: Terminal, to: str | None, revoke: bool) -> int:
    """Restore the environment's table and return the exit code. Raises a ToolError.

    `to` is "latest" or a time; with `revoke` what was revoked, disabled or logged out since is ended in the
    restored table too. The table in use is only read.
    """
    wanted = moment.parse(to)
    endpoint.present(cloud, terminal)
    live = table.find(cloud)
    window = table.window(cloud, live)
    terminal.say(f"{live.name} can be restored from {in_words(window.earliest)} to {in_words(window.latest)}")
    at = wanted or window.latest.replace(microsecond=0)
    target = ("" if wanted else restoring.under_way(live)) or table.name_at(live.name, at)
    if not table.describe(live.dynamodb, target):
        at = moment.within(at, window)
    try:
        restored = restoring.ensure(cloud, terminal, live, target, at)
        terminal.say(restoring.told(restored), "bold green")
        carried = settings.carry_over(cloud, live, target)
        if carried:
            terminal.say(f"Set up as in {live.name}: {', '.join(carried)}")
        terminal.say(f"Comparing it with {live.name}, which is only read")
        found = compare.tables(live, target, settings.expires_by(live.dynamodb, live.name))
        if revoke:
            ending.again(live, target, found.ended)
    except KeyboardInterrupt:
        raise _interrupted(cloud, live, target) from None
    steps = _next(cloud, live, restored)
    _show(cloud, terminal, found)
    _warn(terminal, cloud, found, restored, revoke)
    terminal.say("Next, if it is to be used:")
    for step in steps:
        terminal.result(f"  {step.words}")
        terminal.say(f"    {step.why}")
    _more(terminal, live, restored)
    terminal.data(_data(cloud, live, window, restored, carried, found, revoke, steps))
    return OK


def _interrupted(cloud: Cloud, live: Live, target: str) -> ToolError:
    again = f"make restore ENV={cloud.environment.name} TO={in_words(table.moment_of(target))}"
    described = table.describe(live.dynamodb, target)
    if described is None:
        return ToolError("Interrupted; no restore was begun.", f"Begin it with: {again}", INTERRUPTED)
    if restoring.in_progress(described):
        done = f"The restore into {target} goes on at {cloud.where} without this tool."
    else:
        done = f"{target} is restored, and not set up or compared yet."
    return ToolError(f"Interrupted. {done}", f"Go on with it: {again}", INTERRUPTED)


def _show(cloud: Cloud, terminal: Terminal, found: Difference) -> None:
    shown = Table(pad_edge=False)
    shown.add_column("Kind of item")
    for heading in ("Restored", "In use", "Come back", "Are lost", "Differ"):
        shown.add_column(heading, justify="right")
    for kind, numbers in found.kinds.items():
        row = (numbers.restored, numbers.live, numbers.back, numbers.lost, numbers.changed)
        shown.add_row(kind, *map(str, row))
    if found.kinds:
        terminal.table(shown)
    else:
        terminal.say(f"Neither table of {cloud.environment.name} has an item.")


def _warn(terminal: Terminal, cloud: Cloud, found: Difference, restored: Restored, revoke: bool) -> None:
    """Say what would be good again, or that it is not any more."""
    if not found.ended:
        return
    counts: dict[str, int] = {}
    for one in found.ended:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    words = ", ".join(f"{kind}: {number}" for kind, number in sorted(counts.items()))
    if revoke:
        terminal.say(f"Ended in the restored table too ({words})")
        return
    terminal.notice(
        f"what was revoked, disabled or logged out after {in_words(restored.moment)} is valid again in the "
        f"restored table ({words})"
    )
    name = cloud.environment.name
    terminal.say(
        "  Unless that was the mistake, end it there before it is used: "
        f"make restore ENV={name} TO={in_words(restored.moment)} REVOKE=1"
    )


def _next(cloud: Cloud, live: Live, restored: Restored) -> list[_Step]:
    """What puts the restored table in the place of the other."""
    name, file = cloud.environment.name, cloud.environment.file
    change = f"restored-{restored.moment:%Y%m%d-%H%M%S}"
    # A table that is no stack's own leaves no stack.
    replace = f" REPLACE={live.logical_id}" if live.logical_id else ""
    return [
        _Step(f'ExistingTable = "{restored.name}"', f"under [parameters.{live.stack}] in {file}"),
        _Step(f"make change ENV={name} NAME={change}", "shows that the stack lets go of the other table"),
        _Step(
            f"make approve ENV={name} NAME={change}{replace}",
            f"the other table is retained; the service still uses {live.name}",
        ),
        _Step(f"make change ENV={name} NAME={change}-use", "gives the restored one to the stacks behind"),
        _Step(f"make approve ENV={name} NAME={change}-use", "tasks are replaced without losing a request"),
    ]


def _more(terminal: Terminal, live: Live, restored: Restored) -> None:
    terminal.say("What is written until then is only in the table in use; the same command compares again.")
    terminal.say(f"If it is not to be used, delete {restored.name}: it costs as any table does.")
    if live.replicas:
        terminal.notice(
            f"{live.name} has a replica in {', '.join(live.replicas)}, and a restored table has none: make "
            "one, and put both to use together (docs/operations.md, Items are lost: With a second region)"
        )


def _data(
    cloud: Cloud,
    live: Live,
    window: Window,
    restored: Restored,
    carried: list[str],
    found: Difference,
    revoke: bool,
    steps: list[_Step],
) -> dict[str, Any]:
    return {
        "environment": cloud.environment.name,
        "table": live.name,
        "restored": restored.name,
        "moment": in_words(restored.moment),
        "earliest": in_words(window.earliest),
        "latest": in_words(window.latest),
        "seconds": restored.seconds,
        "set_up": carried,
        "kinds": {kind: asdict(numbers) for kind, numbers in found.kinds.items()},
        "ended_since": [{"kind": one.kind, "id": one.id} for one in found.ended],
        "ended_again": revoke,
        "next": [step.words for step in steps],
    }
