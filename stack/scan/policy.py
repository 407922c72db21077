"""What policy tools find in resolved templates, and the reasons that stand beside the resources.

The tools run without their own skipping. What they find is matched here to the suppressions in a resource's
Metadata, in one form for all tools:

    Metadata:
      checkov: { skip: [ { id: CKV_AWS_18, comment: "why" } ] }
      guard: { SuppressedRules: [CT.S3.PR.9], Reasons: { CT.S3.PR.9: "why" } }
      iam: { AnyResource: "why" }
      tables: { DeletionProtection: "why" }

So a suppression counts only where there is something to suppress, and one that suppresses nothing anywhere
is a mistake like one without a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stack.scan.templates import Resolved

# What tool reads which key of Metadata.
TOOLS = ("checkov", "guard", "iam", "tables")


@dataclass(frozen=True)
class Violation:
    """One rule that one resource of one environment breaks.

    `where` is "file:line LogicalId", `what` the rule in words, `next` how to fix it, `reason` why it is left
    so (empty: nobody said).
    """

    tool: str
    rule: str
    environment: str
    stack: str
    resource: str
    where: str
    what: str
    next: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Suppression:
    """A rule that a resource's Metadata suppresses, with the reason given there."""

    tool: str
    rule: str
    stack: str
    resource: str
    where: str
    reason: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a violation is matched by."""
        return self.tool, self.rule, self.stack, self.resource


def suppressions(templates: Iterable[Resolved]) -> list[Suppression]:
    """Read every suppression in the templates, each once."""
    found: dict[tuple[str, str, str, str], Suppression] = {}
    for item in templates:
        for name, resource in item.resources.items():
            for tool, rule, reason in _declared(resource.get("Metadata", {})):
                one = Suppression(tool, rule, item.stack, name, item.where(name), reason)
                found.setdefault(one.key, one)
    return list(found.values())


def explained(violations: Iterable[Violation], known: Iterable[Suppression]) -> list[Violation]:
    """Return the violations, each with the reason of the suppression that is made for it."""
    reasons = {one.key: one.reason for one in known}
    return [
        replace(one, reason=reasons.get((one.tool, one.rule, one.stack, one.resource), ""))
        for one in violations
    ]


def mistaken(
    violations: Iterable[Violation], known: Iterable[Suppression], tool: str
) -> list[tuple[Suppression, str, str]]:
    """Find a tool's suppressions that are wrong; each with what is wrong with it, and what to do."""
    met = {(one.tool, one.rule, one.stack, one.resource) for one in violations}
    wrong = []
    for one in known:
        if one.tool == tool and not one.reason:
            wrong.append((one, f"{one.rule} is suppressed without a reason", "say why, beside it"))
        elif one.tool == tool and one.key not in met:
            wrong.append((one, f"{one.rule} is suppressed, but no environment breaks it", "delete it"))
    return wrong


def _declared(metadata: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for skip in metadata.get("checkov", {}).get("skip", ()):
        yield "checkov", str(skip.get("id", "")), str(skip.get("comment", "")).strip()
    guard = metadata.get("guard", {})
    for rule in guard.get("SuppressedRules", ()):
        yield "guard", str(rule), str(guard.get("Reasons", {}).get(rule, "")).strip()
    for tool in ("iam", "tables"):
        for rule, reason in metadata.get(tool, {}).items():
            yield tool, str(rule), str(reason).strip()
