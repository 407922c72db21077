"""All checks of an environment, in the order in which one makes sense of the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stack.aws import stacks
from stack.aws.clients import Cloud
from stack.doctor import account, limits, machine, names, permissions
from stack.doctor.finding import Finding, Findings, Subject
from stack.errors import DENIED, FAILED, OK, ToolError, explain
from stack.scan.templates import resolved
from stack.terminal import Terminal

_STYLES = {"ok": "green", "problem": "bold red", "not known": "yellow", "not needed": "dim"}
_WIDTH = max(map(len, _STYLES))
_FILE = "environment file"
# What needs an account, under the name that is said where there is none.
_OF_ACCOUNT: tuple[tuple[str, Callable[[Subject], Findings]], ...] = (
    ("region", account.region),
    ("service-linked roles", limits.linked_roles),
    ("quotas", limits.counted),
    ("quota: Fargate vCPUs", limits.vcpus),
    ("permissions", permissions.check),
    ("domain and certificate", names.all_of_them),
)


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Check everything and print it; return 1 where there is a problem, else 0."""
    found: list[Finding] = []

    def add(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            _show(terminal, finding)

    for one in _file(cloud):
        add(one)
    templates = resolved(cloud.environment)
    plain = Subject(cloud, templates, {})
    for look in (machine.python, machine.docker, machine.plugin):
        for one in look(plain):
            add(one)
    for one in account.way(cloud):
        add(one)
    who, number, arn = account.who(cloud)
    add(who)
    subject = Subject(cloud, templates, _stacks(cloud, arn), number, arn)
    for name, check in _OF_ACCOUNT:
        for one in _asked(subject, name, check):
            add(one)
    counts: Counter[str] = Counter(one.state for one in found)
    if as_json:
        checks = [asdict(one) for one in found]
        terminal.json(
            {"environment": cloud.environment.name, "problems": counts["problem"], "checks": checks}
        )
    else:
        _conclude(cloud, terminal, counts)
    return FAILED if counts["problem"] else OK


def _file(cloud: Cloud) -> Findings:
    environment = cloud.environment
    try:
        stacks.check_rules(environment, {})
    except ToolError as error:
        yield Finding(_FILE, "problem", " ".join(error.message.split()), error.hint)
    else:
        yield Finding(_FILE, "ok", f"{environment.file}: {', '.join(environment.stacks)}")


def _stacks(cloud: Cloud, arn: str) -> dict[str, stacks.Stack | None]:
    """The environment's stacks; none where nobody may look, which the checks that need them say."""
    environment = cloud.environment
    nothing: dict[str, stacks.Stack | None] = dict.fromkeys(environment.stacks)
    if environment.endpoint or not arn:
        return nothing
    try:
        return stacks.describe_all(cloud)
    except (BotoCoreError, ClientError):
        return nothing


def _asked(subject: Subject, name: str, check: Callable[[Subject], Findings]) -> Findings:
    """Do a check that asks AWS; that it may not, or gets no answer, is said instead of what it would find."""
    environment = subject.cloud.environment
    if check not in (account.region, names.all_of_them) and environment.endpoint:
        yield Finding(name, "not needed", f"{subject.cloud.where} has no limits of an account")
        return
    if not environment.endpoint and not subject.arn and check is not account.region:
        yield Finding(name, "not known", "no credentials to ask with", "See credentials, above.")
        return
    try:
        yield from check(subject)
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        said = explain(error, subject.cloud.where)
        denied = isinstance(error, ClientError) and error.response["Error"].get("Code") in DENIED
        yield Finding(name, "not known", said.message, "" if denied else said.hint)


def _show(terminal: Terminal, finding: Finding) -> None:
    dot = "" if finding.saw.endswith(".") else "."
    line = f"{finding.state:<{_WIDTH}}  {finding.check}: {finding.saw}"
    terminal.result(f"{line}{dot} {finding.next}" if finding.next else line, _STYLES[finding.state])


def _conclude(cloud: Cloud, terminal: Terminal, counts: Counter[str]) -> None:
    env = cloud.environment.name
    unknown = f"; {counts['not known']} could not be looked at" if counts["not known"] else ""
    if counts["problem"]:
        plural = "" if counts["problem"] == 1 else "s"
        terminal.say(
            f"{counts['problem']} problem{plural}{unknown}. Each line says what to do next.", "bold red"
        )
    else:
        terminal.say(f"No problem was found{unknown}. Go on with: make create ENV={env}", "bold green")
