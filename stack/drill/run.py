"""`drill`: breaks things on purpose, one after the other, and says whether what should follow did."""

from __future__ import annotations

import http.client
import time

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from rich.table import Table

from stack.aws.clients import Cloud
from stack.drill import catalog, report
from stack.drill.drill import Drill, NotHereError, NotSeenError, Result
from stack.drill.report import Report
from stack.drill.stage import Stage
from stack.errors import FAILED, OK, ToolError, explain, refused, usage
from stack.interrupts import sigterm_is_ctrl_c
from stack.outside import access
from stack.outside import run as outside
from stack.outside.address import Address
from stack.terminal import Terminal


def run(
    cloud: Cloud, terminal: Terminal, names: tuple[str, ...], wanted: Report | None, as_json: bool
) -> int:
    """Do the drills of these names (all for none), print a table; 0 when none failed, else 1.

    With a report `wanted`, everything seen and measured is written. Interrupted (Ctrl-C, SIGTERM), the drill
    under way puts right what it broke first.
    """
    drills = catalog.chosen(names)
    environment = cloud.environment
    if not environment.drills.allowed:
        raise refused(
            f"{environment.name} does not allow drills: they break its service on purpose.",
            f"Where that is wanted, {environment.file} says so: [drills] allowed = true",
        )
    if environment.token is None:
        raise usage(f"{environment.file} has no [token] table; drills are for the echo service.")
    service, _ = outside.service_of(cloud, terminal)
    if wanted:
        report.prepare(wanted)
    results: list[Result] = []
    try:
        with sigterm_is_ctrl_c(), access.own_token(cloud, terminal, "drill") as token:
            for number, drill in enumerate(drills, 1):
                terminal.say(f"Drill {number} of {len(drills)}: {drill.name}")
                results.append(_do(cloud, terminal, service, token.token, drill))
    finally:
        if wanted and results:
            for file in report.write(wanted, environment.name, results):
                terminal.say(f"Written: {file}")
    failed = [one for one in results if one.outcome == "FAIL"]
    if as_json:
        terminal.json(report.as_data(environment.name, results))
    else:
        _show(terminal, results)
        verdict = f"{len(failed)} of {len(results)} drills failed" if failed else "No drill failed"
        terminal.result(f"{verdict}: {service.url}")
    return FAILED if failed else OK


def _do(cloud: Cloud, terminal: Terminal, service: Address, token: str, drill: Drill) -> Result:
    """Do one drill and put right what it broke, whatever comes of it."""
    result = Result(drill)
    terminal.say(f"  breaks:  {drill.breaks}")
    terminal.say(f"  expects: {drill.expects}")
    begun = time.monotonic()
    stage = Stage(cloud, terminal, service, token, result)
    try:
        with stage.restore:
            try:
                stage.wait_for_service()
                drill.run(stage)
            except KeyboardInterrupt:
                terminal.say("  interrupted: what is broken is put right first; this may take minutes")
                raise
    except NotHereError as reason:
        result.outcome, result.why = "not here", str(reason)
    except NotSeenError as reason:
        result.outcome, result.why = "FAIL", str(reason)
    except ToolError as error:
        result.outcome, result.why = "FAIL", error.message
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        result.outcome, result.why = "FAIL", explain(error, cloud.where).message
    except (OSError, http.client.HTTPException) as error:
        result.outcome = "FAIL"
        result.why = f"no answer from {service.url}: {error or type(error).__name__}"
    result.seconds = round(time.monotonic() - begun, 1)
    style = {"pass": "green", "FAIL": "bold red", "not here": "yellow"}[result.outcome]
    terminal.say(
        f"  {result.outcome} after {result.seconds:.0f} s{f': {result.why}' if result.why else ''}", style
    )
    return result


def _show(terminal: Terminal, results: list[Result]) -> None:
    table = Table(pad_edge=False)
    for heading in ("Drill", "Result", "Seconds", "What was expected, or what was seen instead"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "Seconds" else "left")
    for one in results:
        style = "bold red" if one.outcome == "FAIL" else ""
        table.add_row(
            one.drill.name, one.outcome, f"{one.seconds:.0f}", one.why or one.drill.expects, style=style
        )
    terminal.table(table)
