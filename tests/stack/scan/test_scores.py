"""How verdicts become findings of a scan, and lines of a page."""

from collections import Counter
from pathlib import Path

import pytest

from stack.errors import ToolError
from stack.scan import policies, scores
from stack.scan.policy import Violation


def violation(rule: str, environment: str, reason: str = "", tool: str = "guard", **more: str) -> Violation:
    where = "cloudformation/part.yaml:7 Bucket"
    return Violation(tool, rule, environment, "part", "Bucket", where, "in words", **more, reason=reason)


def page(tmp_path: Path, text: str) -> Path:
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "security.md").write_text(text)
    return tmp_path


FOUND = [
    violation("CT.S3.PR.9", "prod", "logs expire"),
    violation("CT.S3.PR.9", "dev", "logs expire"),
    violation("CT.S3.PR.2", "dev"),
    violation("S3_BUCKET_LOGGING_ENABLED", "dev", "it is the log bucket"),
    violation("CKV_AWS_18", "dev", "it is the log bucket", tool="checkov"),
    violation("AnyResource", "prod", "knows none", tool="iam"),
    violation("Backups", "dev", tool="tables"),
    violation("I3042", "", tool="cfn-lint"),
]


def test_the_page_shows_scores_and_reasons_between_its_markers(tmp_path: Path) -> None:
    root = page(tmp_path, f"before\n{scores.BEGIN}\nold\n{scores.END}\nafter\n")
    text = scores.page(root, FOUND, Counter(dev=50, prod=60))
    assert text.startswith(f"before\n{scores.BEGIN}\n")
    assert text.endswith(f"{scores.END}\nafter\n")
    assert "old" not in text
    lines = text.splitlines()
    assert (
        "| `dev` | 1 | 50 passed, 0 failed, 1 explained | 0 failed, 1 explained | 1 failed, 1 explained "
        "| 0 failed | 1 failed |" in lines
    )
    assert (
        "| `prod` | 1 | 60 passed, 0 failed | 0 failed | 0 failed, 1 explained | 0 failed, 1 explained "
        "| 0 failed |" in lines
    )
    assert "| CT.S3.PR.9 | `part`: `Bucket` | dev, prod | logs expire |" in lines
    assert "| IAM: AnyResource | `part`: `Bucket` | prod | knows none |" in lines
    assert "CT.S3.PR.2 |" not in text


def test_writing_the_page_again_changes_nothing(tmp_path: Path) -> None:
    root = page(tmp_path, f"{scores.BEGIN}\n{scores.END}\n")
    once = scores.page(root, FOUND, Counter(dev=50))
    scores.write(root, once)
    assert scores.page(root, FOUND, Counter(dev=50)) == once


@pytest.mark.parametrize("text", ["", scores.BEGIN, f"{scores.END}\n{scores.BEGIN}"])
def test_a_page_without_a_place_for_them_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ToolError, match="no place for the scores"):
        scores.page(page(tmp_path, text), FOUND, Counter())


def test_a_missing_page_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no place for the scores"):
        scores.page(tmp_path, FOUND, Counter())


def test_what_nobody_explained_is_found_once_with_its_environments() -> None:
    found = [violation("R1", "dev"), violation("R1", "prod"), violation("R2", "dev", "why")]
    (one,) = policies.findings(found)
    assert (one.rule, one.where) == ("R1", "cloudformation/part.yaml:7 Bucket")
    assert "dev, prod" in one.why
    assert one.next


@pytest.mark.parametrize(("count", "expected"), [(3, []), (4, ["dev"])])
def test_reasons_have_a_limit(count: int, expected: list[str]) -> None:
    suppressed = [("dev", f"R{number}") for number in range(count)] + [("prod", "R1"), ("prod", "R1")]
    assert [one.where for one in policies.too_many(suppressed, 3)] == expected
