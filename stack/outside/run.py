"""`test`: exercises the deployed service from outside, through its address, as a client would."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from stack.aws import endpoint, stacks
from stack.aws.clients import Cloud
from stack.errors import FAILED, OK, refused, usage
from stack.outside import access, address, checks, edge_checks
from stack.outside.address import Address
from stack.outside.checks import Check
from stack.outside.echo_checks import EchoChecks
from stack.terminal import Terminal


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Test the environment's service, print a table, and return 0 when everything passed, else 1."""
    environment = cloud.environment
    service, ids = service_of(cloud, terminal)
    terminal.say(f"Testing {service.url} from outside")
    done = [
        *(_echo(cloud, terminal, service) if environment.token else ()),
        *(checks.do(name, check) for name, check in edge_checks.all_checks(cloud, service, ids)),
    ]
    if environment.token is None:
        terminal.notice(
            f"{environment.file} has no [token] table: what only the echo service does is not tested."
        )
    failed = sum(not check.passed for check in done)
    if as_json:
        terminal.json({"url": service.url, "passed": not failed, "checks": [asdict(check) for check in done]})
    else:
        _show(terminal, done)
        verdict = f"{failed} of {len(done)} checks failed" if failed else f"All {len(done)} checks passed"
        terminal.result(f"{verdict}: {service.url}")
    return FAILED if failed else OK


def service_of(cloud: Cloud, terminal: Terminal) -> tuple[Address, list[str]]:
    """Find where the service answers, and the ids of the stacks. Raises a ToolError without one."""
    environment = cloud.environment
    if not environment.has_url:
        raise usage(
            f"{environment.name} has no service: none of its stacks ({', '.join(environment.stacks)}) "
            "is one, with an output Url."
        )
    endpoint.present(cloud, terminal)
    found = stacks.look_all(cloud, terminal.notice)
    service = address.find(cloud, found)
    if service is None:
        raise refused(
            f"{environment.name} has no service now: no complete stack has the output Url.",
            f"See what there is: make status ENV={environment.name}. What is missing is made by: make create "
            f"ENV={environment.name}",
        )
    return service, [stack.id for stack in found.values() if stack]


def _echo(cloud: Cloud, terminal: Terminal, service: Address) -> list[Check]:
    """Do what only the echo service can, with a token of its own."""
    with access.own_token(cloud, terminal, "test") as token:
        return [checks.do(name, check) for name, check in EchoChecks(service, token.token).all()]


def _show(terminal: Terminal, done: list[Check]) -> None:
    table = Table(pad_edge=False)
    for heading in ("Check", "Result", "Seen", "ms"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "ms" else "left")
    for check in done:
        table.add_row(
            check.name,
            "pass" if check.passed else "FAIL",
            check.seen,
            str(check.milliseconds),
            style="" if check.passed else "bold red",
        )
    terminal.table(table)
