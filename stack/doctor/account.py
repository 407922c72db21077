"""The way to AWS: does its endpoint answer, is the clock right, who are we, is the region there for us."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from stack.aws.clients import Cloud
from stack.doctor.finding import Finding, Findings, Subject
from stack.errors import explain, nearest

# AWS refuses what was signed more than five minutes off; from here on it is time to do something.
_SKEW_SECONDS = 60
_WATCH = "Set it by a time server: timedatectl set-ntp true (or what this system has)."


def way(cloud: Cloud) -> Findings:
    """Whether the API answers at all, and this machine's clock is that of its Date header.

    Asked without credentials, so that neither is mistaken for the other: a refusal is an answer.
    """
    began = datetime.now(UTC)
    try:
        headers = _answer(cloud)
    except (BotoCoreError, ResponseParserError) as error:
        yield _silent(cloud, error)
        yield Finding("clock", "not known", "no endpoint answers")
        return
    yield Finding("endpoint", "ok", f"{cloud.where} answers")
    try:
        theirs = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        yield Finding("clock", "not known", f"{cloud.where} does not say what time it is")
        return
    # Its header has whole seconds, and was written some time between asking and reading.
    here = datetime.now(UTC)
    skew = min(((moment - theirs).total_seconds() for moment in (began, here)), key=abs)
    off = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the endpoint's"
    if abs(skew) > _SKEW_SECONDS:
        yield Finding("clock", "problem", f"{off}; AWS refuses requests that are 5 minutes off", _WATCH)
    else:
        yield Finding("clock", "ok", off)


def _answer(cloud: Cloud) -> dict[str, str]:
    """Headers of an answer of CloudFormation. Raises BotoCoreError where there is none."""
    client = cloud.client(
        "cloudformation",
        signature_version=UNSIGNED,
        connect_timeout=5,
        read_timeout=10,
        retries={"total_max_attempts": 2},
    )
    try:
        answer: Any = client.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])
    except ClientError as error:
        answer = error.response
    headers: dict[str, str] = answer["ResponseMetadata"].get("HTTPHeaders", {})
    return headers


def _silent(cloud: Cloud, error: BotoCoreError | ResponseParserError) -> Finding:
    found = explain(error, cloud.where)
    endpoint = cloud.environment.endpoint
    if endpoint and endpoint.start and not isinstance(error, ResponseParserError):
        start = f"make create ENV={cloud.environment.name} starts it"
        return Finding("endpoint", "ok", f"nothing answers at {cloud.url} yet", start)
    return Finding("endpoint", "problem", found.message, found.hint)


def who(cloud: Cloud) -> tuple[Finding, str, str]:
    """Say whose credentials they are; return the finding, the account and the ARN, "" for unknown."""
    name = "credentials"
    if cloud.environment.endpoint:
        return Finding(name, "not needed", f"{cloud.where} has no accounts"), "", ""
    try:
        identity = cloud.sts.get_caller_identity()
        credentials = cloud.session.get_credentials()
    except (BotoCoreError, ClientError) as error:
        found = explain(error, cloud.where)
        return Finding(name, "problem", found.message, found.hint), "", ""
    account, arn = identity["Account"], identity["Arn"]
    source = credentials.method if credentials else "unknown"
    saw = f"account {account} as {arn} (from {source})"
    root = "This is the root user: make a role for the work instead." if arn.endswith(":root") else ""
    return Finding(name, "ok", saw, root), account, arn


def region(subject: Subject) -> Findings:
    """Whether the regions that its stacks are in are such, and enabled for the account."""
    for name in subject.cloud.environment.regions:
        yield from _region(subject, name)


def _region(subject: Subject, name: str) -> Findings:
    cloud = subject.cloud
    if cloud.environment.endpoint:
        yield Finding("region", "not needed", f"{cloud.where} is there for {name} too")
        return
    known = [
        one
        for partition in cloud.session.get_available_partitions()
        for one in cloud.session.get_available_regions("cloudformation", partition)
    ]
    if name not in known:
        yield Finding(
            "region",
            "problem",
            f'"{name}" is no region that this SDK knows{nearest(name, known)}',
            f"Correct `region` in {cloud.environment.file}.",
        )
        return
    if not subject.account:
        yield Finding("region", "not known", f"{name} exists; whether it is enabled only credentials tell")
        return
    described = cloud.cached("ec2").describe_regions(RegionNames=[name], AllRegions=True)["Regions"]
    state = described[0]["OptInStatus"] if described else "not there"
    if state in ("opt-in-not-required", "opted-in"):
        yield Finding("region", "ok", f"{name} is enabled")
    else:
        yield Finding(
            "region",
            "problem",
            f"{name} is {state} in this account",
            f"aws account enable-region --region-name {name}",
        )
