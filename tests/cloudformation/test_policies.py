"""Policies as code hold in every environment, and docs/security.md says how well."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stack.errors import ToolError
from stack.scan import policies, scores
from stack.scan.result import Check, Finding, Target
from stack.terminal import Terminal
from tests.stack.scan.conftest import missing

ROOT = Path(__file__).parents[2]
CHECKED = [check for check in policies.CHECKS if check.name != "scores"]


def judged(judge: Callable[[], Any]) -> Any:
    try:
        return judge()
    except ToolError as error:
        missing(error)
        raise


@pytest.mark.parametrize("check", CHECKED, ids=lambda check: check.name)
def test_nothing_is_found_that_nobody_explained(check: Check) -> None:
    found: list[Finding] = judged(lambda: check.run(Target(ROOT, "", Terminal())))
    assert not [f"{one.where}: {one.rule}: {one.what}" for one in found]


def test_the_page_shows_the_scores_of_a_fresh_run() -> None:
    assert (ROOT / scores.FILE).read_text() == judged(lambda: policies.page(ROOT)), "run: make scan"


def test_templates_are_excused_beside_their_resources_only() -> None:
    """The list of accepted findings is for what has no place to say why."""
    entries: list[dict[str, Any]] = tomllib.loads((ROOT / "stack/scan/accepted.toml").read_text())["accepted"]
    assert not {entry["check"] for entry in entries} & {check.name for check in policies.CHECKS}
