"""How checks are run and shown, and how a finding is accepted: with a reason and until a date."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.errors import ToolError
from stack.scan import accepted, run
from stack.scan.checks import CHECKS
from stack.scan.result import Check, Finding, Target
from stack.terminal import Terminal

ROOT = Path(__file__).parents[3]
TODAY = datetime.now(UTC).date()
FOUND = Finding("R1", "/a/file", "something", "it is bad", "remove it")


def unable(_: Target) -> list[Finding]:
    raise ToolError("Nobody answers.", "Ask again.")


CLEAN = Check("clean", "clean things", False, lambda _: [])
DIRTY = Check("dirty", "dirty things", False, lambda _: [FOUND])
UNABLE = Check("unable", "things far away", True, unable)


def entry(**changed: object) -> str:
    words = {"check": "dirty", "rule": "R1", "where": "/a/*", "reason": "known", "expires": TODAY} | changed
    lines = [f"{key} = {value if key == 'expires' else json.dumps(value)}" for key, value in words.items()]
    return "\n".join(["[[accepted]]", *lines, ""])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "stack" / "scan").mkdir(parents=True)
    return tmp_path


def scan(root: Path, *checks: Check, image: str = "", offline: bool = False) -> int:
    return run.run(Target(root, image, Terminal()), offline, True, checks)


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)["checks"]}


@pytest.mark.parametrize(
    ("checks", "code"), [((CLEAN,), 0), ((CLEAN, DIRTY), 1), ((CLEAN, UNABLE), 1), ((), 0)]
)
def test_only_what_passed_is_a_success(
    checkout: Path, capsys: pytest.CaptureFixture[str], checks: tuple[Check, ...], code: int
) -> None:
    assert scan(checkout, *checks) == code
    states = {"clean": "passed", "dirty": "failed", "unable": "not-checked"}
    assert shown(capsys) == {check.name: states[check.name] for check in checks}


def test_offline_leaves_out_by_name_what_needs_the_network(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(checkout, CLEAN, UNABLE, offline=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["left_out"] == ["unable"]
    assert [one["name"] for one in answer["checks"]] == ["clean"]
    run.run(Target(checkout, "", Terminal()), True, False, (CLEAN, UNABLE))
    assert "unable was left out: it needs the network" in capsys.readouterr().out


def test_people_get_a_table_and_for_each_finding_where_what_why_and_what_next(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.run(Target(checkout, "", Terminal()), False, False, (DIRTY, UNABLE)) == 1
    out = capsys.readouterr().out
    assert "dirty: /a/file: something" in out
    assert "rule: R1; why: it is bad; next: remove it" in out
    assert "unable was not checked: Nobody answers. Ask again." in out


def test_an_accepted_finding_is_counted_and_not_shown(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / accepted.FILE).write_text(entry())
    assert scan(checkout, DIRTY) == 0
    checks = {one["name"]: one for one in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["dirty"]["accepted"] == 1
    assert checks["accepted"]["state"] == "passed"


@pytest.mark.parametrize("changed", [{"rule": "R2"}, {"where": "/b/*"}, {"where": "/A/file"}])
def test_another_rule_or_place_is_not_accepted_and_the_entry_is_unused(
    checkout: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str]
) -> None:
    (checkout / accepted.FILE).write_text(entry(**changed))
    assert scan(checkout, DIRTY) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [one["rule"] for check in answer["checks"] for one in check["findings"]] == ["R1", "unused"]


def test_an_expired_entry_accepts_nothing_and_is_a_finding(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / accepted.FILE).write_text(entry(expires=TODAY - timedelta(days=1)))
    assert scan(checkout, DIRTY) == 1
    assert shown(capsys) == {"dirty": "failed", "accepted": "failed"}


def test_entries_of_what_was_not_looked_at_are_not_called_unused(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / accepted.FILE).write_text(entry(check="unable") + entry(check="image"))
    image = Check("image", "an image", False, lambda _: [])
    assert scan(checkout, UNABLE, image, offline=True, image="other") == 0
    assert scan(checkout, UNABLE, image, image="other") == 1
    capsys.readouterr()
    assert scan(checkout, UNABLE, image, offline=True) == 1
    assert shown(capsys) == {"image": "passed", "accepted": "failed"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[accepted]\n", "accepted.toml"),
        ("[other]\n", "unknown 'other'"),
        (entry(reason=" "), "reason is ' '"),
        (entry(expires='"2027-01-01"'), "expires is '2027-01-01'"),
        (entry(expires="2027-01-01T00:00:00Z"), "expires is datetime"),
        (entry(check="dirt"), 'did you mean "dirty"'),
        (entry().replace("reason", "because"), "It needs exactly"),
    ],
)
def test_a_wrong_entry_is_named_and_nothing_is_scanned(checkout: Path, text: str, said: str) -> None:
    (checkout / accepted.FILE).write_text(text)
    with pytest.raises(ToolError) as raised:
        scan(checkout, DIRTY)
    assert raised.value.code == 2
    assert said in f"{raised.value.message} {raised.value.hint}"


def test_the_projects_own_entries_are_right() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert {entry.check for entry in accepted.load(ROOT, names)} <= set(names)
