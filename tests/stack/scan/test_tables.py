"""What a global table may be without a reason."""

from typing import Any

import pytest

from stack.scan.tables import violations
from tests.stack.scan.policies import resolved

KEY = {"SSESpecification": {"KMSMasterKeyId": "arn:aws:kms:eu-west-1:111122223333:key/1"}}
BACKUPS = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
PROTECTED = {"DeletionProtectionEnabled": True}
WITH_KEY = {"SSEEnabled": True, "SSEType": "KMS"}
WHOLE = {**KEY, **BACKUPS, **PROTECTED}


def broken(encryption: dict[str, Any] | None, *replicas: dict[str, Any]) -> dict[str, str]:
    regions = ("eu-west-1", "eu-north-1")
    properties: dict[str, Any] = {
        "Replicas": [{"Region": region, **given} for region, given in zip(regions, replicas, strict=False)]
    }
    if encryption:
        properties["SSESpecification"] = encryption
    found = violations(resolved({"It": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}))
    return {one.rule: one.what for one in found}


def test_nothing_is_said_of_what_has_everything() -> None:
    assert broken(WITH_KEY, WHOLE) == broken(WITH_KEY, WHOLE, WHOLE) == {}


@pytest.mark.parametrize(
    ("encryption", "replica", "rules"),
    [
        (WITH_KEY, {**BACKUPS, **PROTECTED}, {"KeyOfTheAccount"}),
        ({"SSEEnabled": False}, WHOLE, {"KeyOfTheAccount"}),
        ({"SSEEnabled": True}, WHOLE, {"KeyOfTheAccount"}),
        (None, WHOLE, {"KeyOfTheAccount"}),
        (WITH_KEY, {**KEY, **PROTECTED}, {"Backups"}),
        (WITH_KEY, {**WHOLE, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}},
         {"Backups"}),
        (WITH_KEY, {**KEY, **BACKUPS}, {"DeletionProtection"}),
        (WITH_KEY, {**WHOLE, "DeletionProtectionEnabled": False}, {"DeletionProtection"}),
        (None, {}, {"KeyOfTheAccount", "Backups", "DeletionProtection"}),
    ],
)  # fmt: skip
def test_what_it_lacks_is_said(
    encryption: dict[str, Any] | None, replica: dict[str, Any], rules: set[str]
) -> None:
    assert set(broken(encryption, replica)) == rules


def test_the_replica_that_lacks_it_is_named() -> None:
    said = broken(WITH_KEY, WHOLE, {**KEY, **BACKUPS})
    assert said == {
        "DeletionProtection": "the replica in eu-north-1 may be deleted by anybody who may delete tables"
    }
    both = broken(WITH_KEY, KEY | BACKUPS, KEY | BACKUPS)
    assert both["DeletionProtection"].startswith("the replica in eu-west-1 and eu-north-1 may")
