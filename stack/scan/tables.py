"""Global tables in resolved templates: every replica encrypted, backed up, protected.

The policy sets demand that of AWS::DynamoDB::Table; of AWS::DynamoDB::GlobalTable only one of checkov's
demands backups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stack.scan.policy import Violation
from stack.scan.templates import Resolved

RULES = {
    "KeyOfTheAccount": "is encrypted with a key that AWS owns, whose use nobody here sees or can end",
    "Backups": "has no continuous backups",
    "DeletionProtection": "may be deleted by anybody who may delete tables",
}
_NEXT = {
    "KeyOfTheAccount": "Set SSEEnabled and SSEType of SSESpecification, and KMSMasterKeyId of each replica.",
    "Backups": "Set PointInTimeRecoveryEnabled of each replica: a replica has backups of its own.",
    "DeletionProtection": "Set DeletionProtectionEnabled of each replica.",
}


def violations(template: Resolved) -> list[Violation]:
    """Check every replica of every global table in one template. A table breaks each rule at most once."""
    return [
        Violation(
            tool="tables",
            rule=rule,
            environment=template.environment,
            stack=template.stack,
            resource=name,
            where=template.where(name),
            what=f"the replica in {' and '.join(regions)} {RULES[rule]}",
            next=_NEXT[rule],
        )
        for name, properties in template.of_type("AWS::DynamoDB::GlobalTable").items()
        for rule in RULES
        if (regions := list(_without(rule, properties)))
    ]


def _without(rule: str, properties: Mapping[str, Any]) -> Iterator[str]:
    """The regions whose replica breaks a rule."""
    encryption = properties.get("SSESpecification", {})
    with_key = bool(encryption.get("SSEEnabled")) and encryption.get("SSEType") == "KMS"
    for replica in properties["Replicas"]:
        backups = replica.get("PointInTimeRecoverySpecification", {})
        kept = {
            "KeyOfTheAccount": with_key and "KMSMasterKeyId" in replica.get("SSESpecification", {}),
            "Backups": bool(backups.get("PointInTimeRecoveryEnabled")),
            "DeletionProtection": bool(replica.get("DeletionProtectionEnabled")),
        }
        if not kept[rule]:
            yield str(replica["Region"])
