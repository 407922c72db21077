"""The tools themselves, on templates that are wrong on purpose."""

import json
from pathlib import Path
from typing import Any

import pytest

from stack.errors import ToolError
from stack.scan import checkov, guard, lint
from stack.scan.templates import Resolved, write
from tests.stack.scan.policies import resolved

KEPT_BUCKET = {
    "Type": "AWS::S3::Bucket",
    "Properties": {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
            ]
        },
        "VersioningConfiguration": {"Status": "Enabled"},
    },
}
OPEN_BUCKET = {
    "Type": "AWS::S3::Bucket",
    "Properties": {},
    "Metadata": {
        "checkov": {"skip": [{"id": "CKV_AWS_21", "comment": "why"}]},
        "guard": {"SuppressedRules": ["S3_BUCKET_VERSIONING_ENABLED"]},
    },
}
PLANTED = {
    "dev": {"Open": OPEN_BUCKET, "Kept": KEPT_BUCKET},
    "prod": {"Kept": KEPT_BUCKET, "Too": OPEN_BUCKET},
}


def written(folder: Path, **environments: dict[str, Any]) -> dict[Path, Resolved]:
    found: dict[Path, Resolved] = {}
    for name, resources in environments.items():
        one = resolved(resources, name)
        found |= dict.fromkeys(write({"part": one}, folder / name).values(), one)
    return found


def met(violations: Any, rule: str) -> list[tuple[str, str]]:
    return sorted((one.environment, one.resource) for one in violations if one.rule == rule)


def test_checkov_tells_environments_and_resources_apart(tmp_path: Path, checkov_program: Path) -> None:
    """And it sees no suppression: otherwise one that is needed no more would never be noticed."""
    found, passed = checkov.violations(written(tmp_path, **PLANTED), checkov_program)
    assert met(found, "CKV_AWS_21") == [("dev", "Open"), ("prod", "Too")]
    (one,) = [one for one in found if (one.rule, one.environment) == ("CKV_AWS_21", "prod")]
    assert one.where == "cloudformation/part.yaml:8 Too"
    assert one.what == "Ensure the S3 bucket has versioning enabled"
    assert set(passed) == {"dev", "prod"}


def test_guard_tells_environments_and_resources_apart(tmp_path: Path, guard_folder: Path) -> None:
    found = guard.violations(written(tmp_path, **PLANTED), guard_folder)
    for rule in ("S3_BUCKET_VERSIONING_ENABLED", "CT.S3.PR.11"):
        assert met(found, rule) == [("dev", "Open"), ("prod", "Too")]
    (one,) = [one for one in found if (one.rule, one.environment) == ("CT.S3.PR.11", "prod")]
    assert one.where == "cloudformation/part.yaml:8 Too"
    assert one.what == "Require an Amazon S3 bucket to have versioning enabled"
    assert one.next == "Set the 'Status' in 'VersioningConfiguration' to Enabled."


def test_every_rule_of_the_well_architected_set_is_there(guard_folder: Path) -> None:
    registry = (guard_folder / "registry.guard").read_text()
    control_tower = "".join(
        file.read_text() for file in (guard_folder / "package" / "rules").rglob("*.guard")
    )
    for rule, instead in guard.WELL_ARCHITECTED.items():
        if instead:
            assert f"[{instead}]" in control_tower, rule
        else:
            assert f"\nrule {rule} " in registry, rule


def test_a_package_that_changed_is_refused(
    tmp_path: Path, guard_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "package.json").write_text(json.dumps({"name": "other", "version": "1.0.0"}))
    monkeypatch.setattr(guard, "NPM_PACKAGE", str(other))
    with pytest.raises(ToolError, match="is not what was reviewed"):
        guard.install(tmp_path / "guard")
    assert not (tmp_path / "guard" / "package").exists()


def test_without_npm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="npm is missing"):
        guard.install(tmp_path / "guard")


def test_cfn_lint_finds_what_only_one_environment_has(tmp_path: Path) -> None:
    wrong = {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Perhaps"}}}
    files = written(tmp_path, dev={"Kept": KEPT_BUCKET}, prod={"Kept": KEPT_BUCKET, "Wrong": wrong})
    plain = tmp_path / "plain.yaml"
    plain.write_text("Resources: {Bucket: {Type: AWS::S3::Bucket, Properties: {BucketNam: x}}}\n")
    found = {(one.rule, one.environment, one.stack, one.resource) for one in lint.violations([plain], files)}
    assert ("E3030", "prod", "part", "Wrong") in found
    assert ("E3002", "", "plain", "Bucket") in found
    assert not [one for one in found if one[1] == "dev"]


def test_a_file_that_is_no_template_is_an_error(tmp_path: Path, checkov_program: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text("{")
    with pytest.raises(ToolError, match="checkov"):
        checkov.violations({file: resolved({})}, checkov_program)
