"""Reasons beside resources, and whether they belong to something."""

from dataclasses import replace
from typing import Any

from stack.scan.policy import Violation, explained, mistaken, suppressions
from tests.stack.scan.policies import resolved

METADATA = {
    "checkov": {"skip": [{"id": "CKV_AWS_18", "comment": "it is the log bucket"}]},
    "guard": {"SuppressedRules": ["CT.S3.PR.2", "CT.S3.PR.9"], "Reasons": {"CT.S3.PR.2": "logs"}},
    "iam": {"AnyResource": "has no resources"},
}


def suppressed(metadata: dict[str, Any]) -> Any:
    return suppressions([resolved({"Bucket": {"Type": "AWS::S3::Bucket", "Metadata": metadata}})])


def violation(tool: str, rule: str, environment: str = "test") -> Violation:
    where = "cloudformation/part.yaml:7 Bucket"
    return Violation(tool, rule, environment, "part", "Bucket", where, "in words")


def test_every_form_is_read_with_its_reason() -> None:
    found = [(one.tool, one.rule, one.reason, one.where) for one in suppressed(METADATA)]
    where = "cloudformation/part.yaml:7 Bucket"
    assert found == [
        ("checkov", "CKV_AWS_18", "it is the log bucket", where),
        ("guard", "CT.S3.PR.2", "logs", where),
        ("guard", "CT.S3.PR.9", "", where),
        ("iam", "AnyResource", "has no resources", where),
    ]


def test_a_suppression_in_several_environments_is_one() -> None:
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Metadata": METADATA}}
    assert len(suppressions([resolved(resources, "one"), resolved(resources, "two")])) == 4


def test_a_violation_gets_the_reason_made_for_it_only() -> None:
    known = suppressed(METADATA)
    met = violation("checkov", "CKV_AWS_18")
    others = [
        violation("checkov", "CKV_AWS_19"),
        violation("guard", "CKV_AWS_18"),
        violation("guard", "CT.S3.PR.9"),
        replace(met, resource="Other"),
        replace(met, stack="other"),
    ]
    reasons = [one.reason for one in explained([met, *others], known)]
    assert reasons == ["it is the log bucket", "", "", "", "", ""]


def test_mistaken_suppressions_are_named() -> None:
    known = suppressed(METADATA)
    found = [violation("guard", "CT.S3.PR.2"), violation("guard", "CT.S3.PR.9")]
    assert [(one.rule, what) for one, what, _ in mistaken(found, known, "guard")] == [
        ("CT.S3.PR.9", "CT.S3.PR.9 is suppressed without a reason")
    ]
    assert [(one.rule, what) for one, what, _ in mistaken(found, known, "iam")] == [
        ("AnyResource", "AnyResource is suppressed, but no environment breaks it")
    ]


def test_one_environment_that_needs_it_is_enough() -> None:
    found = [violation("checkov", "CKV_AWS_18", "dev")]
    assert not mistaken(found, suppressed(METADATA), "checkov")
