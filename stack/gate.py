"""The gate in front of `approve`: what would be lost, or would break its address, has to be named first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stack.changesets import ChangeSet
from stack.errors import nearest, refused, usage
from stack.review import Row
from stack.stacks import COMPLETE, Stack

# What holds data that does not come back.
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::Logs::LogGroup",
    "AWS::ECR::Repository",
    "AWS::SecretsManager::Secret",
}
# What clients reach the service by.
PUBLIC = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::CertificateManager::Certificate",
    "AWS::Route53::RecordSet",
    "AWS::Route53::RecordSetGroup",
    "AWS::Route53::HostedZone",
    "AWS::Route53::HealthCheck",
    # Everything stands in it; a new one is new addresses for all of it.
    "AWS::EC2::VPC",
    # What others see our calls come from, and may have on a list.
    "AWS::EC2::EIP",
}
# What stands between the public and the service.
PROTECTING = {"AWS::WAFv2::WebACL", "AWS::WAFv2::WebACLAssociation"}
GUARDED = STATEFUL | PUBLIC | PROTECTING


def dangers(found: Iterable[Row]) -> list[Row]:
    """Rows, one per resource, that remove, replace or may replace something guarded."""
    chosen: dict[tuple[str, str], Row] = {}
    for row in found:
        lost = row.action in ("Remove", "Dynamic") or row.replacement in ("yes", "may")
        if row.type in GUARDED and lost:
            chosen.setdefault((row.stack, row.logical_id), row)
    return list(chosen.values())


def check(found: Sequence[Row], named: Sequence[str], approve: str) -> None:
    """Raise unless every danger is in `named` (LogicalId or stack.LogicalId).

    `approve` is the command that was run, to be repeated with names.
    """
    known = {row.logical_id for row in found} | {f"{row.stack}.{row.logical_id}" for row in found}
    for word in named:
        if word not in known:
            raise usage(
                f'REPLACE names "{word}", which this change does not touch{nearest(word, known)}.',
                f"It touches: {', '.join(sorted({row.logical_id for row in found})) or 'nothing'}",
            )
    left = [
        row
        for row in dangers(found)
        if row.logical_id not in named and f"{row.stack}.{row.logical_id}" not in named
    ]
    if not left:
        return
    lines = "\n".join(f"  {_would(row)} {row.stack}.{row.logical_id} ({row.type})" for row in left)
    raise refused(
        f"Refused; nothing was done. This change\n{lines}\n"
        "and that may lose data, break an address or leave it unprotected.",
        f"If it is meant: {approve} REPLACE={','.join(row.logical_id for row in left)}",
    )


def _would(row: Row) -> str:
    if row.action == "Remove":
        return "removes"
    return "replaces" if row.replacement == "yes" else "may replace"


def check_fresh(change_set: ChangeSet, stack: Stack, again: str) -> None:
    """Raise unless the change set can be executed on the stack as it is now. `again` makes it anew."""
    name = f"The change set {change_set.name} of {stack.name}"
    if change_set.execution_status == "EXECUTE_COMPLETE":
        raise refused(f"{name} was executed already; nothing was done.")
    if change_set.execution_status == "OBSOLETE" or (stack.updated and stack.updated > change_set.created):
        raise refused(
            f"{name} is stale: the stack was updated after it was reviewed. Nothing was done.",
            f"Review it again: {again}",
        )
    if change_set.execution_status != "AVAILABLE":
        reason = f": {change_set.reason}" if change_set.reason else ""
        raise refused(
            f"{name} cannot be executed, it is {change_set.status}/{change_set.execution_status}{reason}",
            f"Make it again: {again}",
        )
    if stack.status not in COMPLETE:
        raise refused(
            f"{stack.name} is {stack.status}; a change can be approved only when it rests complete.",
            "Wait for the running operation, or see what failed: make status, make last-update-failure",
        )
