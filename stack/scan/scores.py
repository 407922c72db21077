"""The scores of the policy checks, as docs/security.md shows them between two marker lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from stack.errors import usage
from stack.scan import guard
from stack.scan.policy import Violation

FILE = Path("docs") / "security.md"
BEGIN = "<!-- scores: written by `make scan` -->"
END = "<!-- end of scores -->"
# Rules of our own have words for names, which say less without what they are about.
_OWN = {"iam": "IAM", "tables": "Tables"}


def page(root: Path, found: Sequence[Violation], passed: Counter[str]) -> str:
    """Return the page's text with these scores. `passed` counts checkov's passed checks by environment."""
    file = root / FILE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise usage(f"{FILE}: has no place for the scores", f"Put them between the lines {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{_scores(found, passed)}\n\n{_reasons(found)}\n\n{END}{after}"


def write(root: Path, text: str) -> None:
    """Write the page, if it says something else now."""
    file = root / FILE
    if file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def _scores(found: Sequence[Violation], passed: Counter[str]) -> str:
    rows = [
        "| Environment | cfn-lint | checkov | Well-Architected security | Control Tower "
        "| IAM policies | Tables |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sorted(passed):
        mine = [one for one in found if one.environment in (name, "")]
        cells = [
            str(_count(mine, lambda one: one.tool == "cfn-lint")),
            f"{passed[name]} passed, {_verdict(mine, lambda one: one.tool == 'checkov')}",
            _verdict(mine, lambda one: one.tool == "guard" and guard.is_well_architected(one.rule)),
            _verdict(mine, lambda one: one.tool == "guard" and guard.is_control_tower(one.rule)),
            _verdict(mine, lambda one: one.tool == "iam"),
            _verdict(mine, lambda one: one.tool == "tables"),
        ]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _reasons(found: Sequence[Violation]) -> str:
    """Every rule that is suppressed, with the environments in which it would fail."""
    rows = ["| Rule | Resource | Where | Why it is left so |", "|---|---|---|---|"]
    environments: dict[tuple[str, str, str, str, str], list[str]] = {}
    for one in found:
        if one.reason:
            key = (one.stack, one.resource, one.tool, one.rule, one.reason)
            environments.setdefault(key, []).append(one.environment)
    for (stack, resource, tool, rule, reason), names in sorted(environments.items()):
        label = f"{_OWN[tool]}: {rule}" if tool in _OWN else rule
        rows.append(f"| {label} | `{stack}`: `{resource}` | {', '.join(sorted(names))} | {reason} |")
    return "\n".join(rows)


def _verdict(found: Iterable[Violation], counts: Callable[[Violation], bool]) -> str:
    """How many rules fail and how many are explained; a rule that fails anywhere fails."""
    failed = {one.rule for one in found if counts(one) and not one.reason}
    explained = {one.rule for one in found if counts(one)} - failed
    return f"{len(failed)} failed" + (f", {len(explained)} explained" if explained else "")


def _count(found: Iterable[Violation], counts: Callable[[Violation], bool]) -> int:
    return sum(1 for one in found if counts(one))
