"""The checks of templates: each tool's verdict on every environment, and the page that shows the scores."""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from stack.files import environment
from stack.scan import checkov, guard, iam, lint, policy, scores, tables, templates
from stack.scan.policy import Suppression, Violation
from stack.scan.result import TOOLS, Check, Finding, Target, tool
from stack.scan.templates import Resolved

# Where guard's program and rules are fetched to, beside the other scanning tools.
GUARD = TOOLS.parent / "guard"
# What may be explained; everything beyond these numbers is a failure, whatever its reason.
MOST_CHECKOV = 3
MOST_CONTROL_TOWER = 7


@functools.cache
def resolved(root: Path) -> Mapping[Path, Resolved]:
    """Resolve every template of every environment; the keys are the files that the tools read."""
    found: dict[Path, Resolved] = {}
    folder = Path(_folder(root).name)
    for name in environment.available(root):
        stacks = templates.resolved(environment.load(root, name))
        files = templates.write(stacks, folder / name)
        found |= {file: stacks[stack] for stack, file in files.items()}
    return found


@functools.cache
def _folder(root: Path) -> tempfile.TemporaryDirectory[str]:
    """Where the resolved templates are as long as this process runs."""
    return tempfile.TemporaryDirectory(prefix=f"{root.name}-templates-")


@functools.cache
def suppressions(root: Path) -> tuple[Suppression, ...]:
    """Every suppression in the templates."""
    return tuple(policy.suppressions(resolved(root).values()))


@functools.cache
def linted(root: Path) -> tuple[Violation, ...]:
    """What cfn-lint says of the templates as written, and as resolved."""
    return tuple(lint.violations(sorted((root / "cloudformation").glob("*.yaml")), resolved(root)))


@functools.cache
def checked(root: Path) -> tuple[tuple[Violation, ...], Counter[str]]:
    """What checkov says, and how many of its checks passed by environment."""
    if not resolved(root):
        return (), Counter()
    found, passed = checkov.violations(resolved(root), Path(tool("checkov")))
    return tuple(policy.explained(found, suppressions(root))), passed


@functools.cache
def guarded(root: Path) -> tuple[Violation, ...]:
    """What the Guard rule sets say."""
    if not resolved(root):
        return ()
    guard.install(GUARD)
    return tuple(policy.explained(guard.violations(resolved(root), GUARD), suppressions(root)))


@functools.cache
def permitted(root: Path) -> tuple[Violation, ...]:
    """What our own rules say of IAM policies."""
    found = [one for template in resolved(root).values() for one in iam.violations(template)]
    return tuple(policy.explained(found, suppressions(root)))


@functools.cache
def kept(root: Path) -> tuple[Violation, ...]:
    """What our own rules say of tables."""
    found = [one for template in resolved(root).values() for one in tables.violations(template)]
    return tuple(policy.explained(found, suppressions(root)))


def _lint(target: Target) -> list[Finding]:
    return findings(linted(target.root))


def _checkov(target: Target) -> list[Finding]:
    found, _ = checked(target.root)
    suppressed = [(one.environment, f"{one.rule} of {one.resource}") for one in found if one.reason]
    return [
        *findings(found),
        *_mistakes(target, found, "checkov"),
        *too_many(suppressed, MOST_CHECKOV),
    ]


def _guard(target: Target) -> list[Finding]:
    found = guarded(target.root)
    explained = [
        (one.environment, one.rule) for one in found if one.reason and guard.is_control_tower(one.rule)
    ]
    return [
        *findings(found),
        *_mistakes(target, found, "guard"),
        *too_many(explained, MOST_CONTROL_TOWER),
    ]


def _iam(target: Target) -> list[Finding]:
    found = permitted(target.root)
    return [*findings(found), *_mistakes(target, found, "iam")]


def _tables(target: Target) -> list[Finding]:
    found = kept(target.root)
    return [*findings(found), *_mistakes(target, found, "tables")]


def page(root: Path) -> str:
    """Return docs/security.md as it has to be: its text, with the scores of a fresh run."""
    found, passed = checked(root)
    return scores.page(root, [*linted(root), *found, *guarded(root), *permitted(root), *kept(root)], passed)


def _scores(target: Target) -> list[Finding]:
    """Write the page, which is what this check is for; the others say what is wrong with the scores."""
    if resolved(target.root):
        scores.write(target.root, page(target.root))
    return []


def findings(found: Iterable[Violation]) -> list[Finding]:
    """What nobody gave a reason for, each once with all environments that have it."""
    environments: dict[tuple[str, str], list[str]] = {}
    unexplained = [one for one in found if not one.reason]
    for one in unexplained:
        environments.setdefault((one.rule, one.where), []).append(one.environment)
    return [
        Finding(
            one.rule,
            one.where,
            one.what,
            f"{one.tool} demands it" + (f" (environments: {', '.join(all_of)})" if any(all_of) else ""),
            one.next or "correct it, or suppress the rule beside the resource and say why (docs/security.md)",
        )
        for one in unexplained
        if (all_of := environments.pop((one.rule, one.where), None)) is not None
    ]


def _mistakes(target: Target, found: Iterable[Violation], name: str) -> list[Finding]:
    return [
        Finding("suppression", one.where, what, "a suppression hides something for a reason", next_)
        for one, what, next_ in policy.mistaken(found, suppressions(target.root), name)
    ]


def too_many(suppressed: Iterable[tuple[str, str]], most: int) -> list[Finding]:
    """Explained is not the same as good: name the environments with more than `most` exceptions."""
    exceptions: dict[str, set[str]] = {}
    for name, exception in suppressed:
        exceptions.setdefault(name, set()).add(exception)
    return [
        Finding(
            "too-many",
            name,
            f"{len(all_of)} exceptions, and {most} at most are accepted: {', '.join(sorted(all_of))}",
            "a score that is mostly reasons is none",
            "correct some of what they find",
        )
        for name, all_of in exceptions.items()
        if len(all_of) > most
    ]


CHECKS = (
    Check("cfn-lint", "the templates with cfn-lint at information level", False, _lint),
    Check("checkov", "the templates of every environment with checkov", False, _checkov),
    Check("guard", "the templates of every environment with AWS's Guard rules", False, _guard),
    Check("iam", "the IAM policies of every environment", False, _iam),
    Check("tables", "the tables of every environment, with all their replicas", False, _tables),
    Check("scores", "what docs/security.md says of the above", False, _scores),
)
