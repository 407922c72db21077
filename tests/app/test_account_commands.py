"""`account` and `token` on the command line, against either store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import tokens
from tests.app.servers import ROOT, clean_environment, run_app

PASSWORD = "tangible-otter-ladder"


@pytest.fixture(params=["sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "dynamodb":
        variables: dict[str, str] = request.getfixturevalue("dynamodb_environment")
        return variables
    return {"ECHO_SQLITE_PATH": str(tmp_path / "store.sqlite3")}


def answer(*arguments: str, **store: str) -> Any:
    result = run_app(*arguments, "--json", **store)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_the_life_of_an_account(store: dict[str, str]) -> None:
    assert answer("account", "list", **store) == []
    made = answer("account", "create", "--name", "Some.Body", **store)
    assert set(made) == {"id", "name", "created_at", "disabled_at", "password"}
    assert len(made["password"]) >= 20
    password = made.pop("password")
    assert answer("account", "list", **store) == [made]
    token = answer("token", "create", "--name", "x", "--account", "some.body", **store)
    assert [row["id"] for row in answer("token", "list", "--account", "Some.Body", **store)] == [token["id"]]
    assert answer("token", "list", **store) == [], "the operators' are others"
    disabled = answer("account", "disable", "some.body", **store)
    assert disabled["disabled_at"]
    (row,) = answer("token", "list", "--account", "some.body", **store)
    assert row["revoked_at"]
    refused = run_app("token", "create", "--name", "y", "--account", "some.body", **store)
    assert refused.returncode == 1
    assert "disabled" in refused.stderr
    assert answer("account", "enable", "some.body", **store)["disabled_at"] is None
    unsure = run_app("account", "delete", "some.body", **store)
    assert (unsure.returncode, unsure.stdout) == (1, "")
    assert "--yes" in unsure.stderr
    assert answer("account", "delete", "some.body", "--yes", **store)["deleted"] is True
    gone = run_app("account", "disable", "some.body", **store)
    assert gone.returncode == 1
    assert "'some.body'" in gone.stderr
    assert password not in gone.stderr


def test_texts_for_people(store: dict[str, str]) -> None:
    assert "No accounts" in run_app("account", "list", **store).stdout
    code = run_app("account", "invite", "--expires", "1", **store).stdout
    assert tokens.well_formed(code.split()[0], tokens.INVITATION)
    assert tokens.well_formed(answer("account", "invite", **store)["invitation"], tokens.INVITATION)
    run_app("account", "create", "--name", "bob", **store)
    again = run_app("account", "create", "--name", "BOB", **store)
    assert (again.returncode, again.stdout) == (1, "")
    assert "'BOB' exists" in again.stderr
    assert run_app("account", "disable", "bob", **store).stdout.startswith("Account bob is disabled")
    listed = run_app("account", "list", **store).stdout.splitlines()
    assert [line.split()[1] for line in listed] == ["STATE", "disabled"]
    assert "may log in again" in run_app("account", "enable", "bob", **store).stdout


def test_rotation(store: dict[str, str]) -> None:
    old = answer("token", "create", "--name", "x", "--expires", "30", **store)
    new = answer("token", "rotate", old["id"], "--overlap", "60", **store)
    assert set(new) == {"id", "name", "token", "expires_at", "replaces"}
    assert new["replaces"]["id"] == old["id"]
    assert new["replaces"]["expires_at"] < new["expires_at"]
    states = {row["id"]: row["rotated_to"] for row in answer("token", "list", **store)}
    assert states == {old["id"]: new["id"], new["id"]: None}
    lines = run_app("token", "list", **store).stdout.splitlines()[1:]
    assert sorted(line.split()[1] for line in lines) == ["rotated", "valid"]
    again = run_app("token", "rotate", old["id"], **store)
    assert again.returncode == 1
    assert new["id"] in again.stderr
    assert run_app("token", "rotate", "nope", **store).returncode == 1
    text = run_app("token", "rotate", new["id"], **store)
    assert "goes on until" in text.stdout


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        (f"{PASSWORD}\n", 0, ""),
        ("short\n", 1, "12 to 128"),
        ("password12345\n", 1, "common"),
        ("", 1, "has 0"),
    ],
)
def test_a_password_from_standard_input(tmp_path: Path, line: str, code: int, hint: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "app", "account", "create", "--name", "bob", "--password-stdin", "--json"],
        input=line, env=clean_environment(ECHO_SQLITE_PATH=str(tmp_path / "db")), cwd=ROOT,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert result.returncode == code
    assert hint in result.stderr
    assert PASSWORD not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["account"], "ACTION"),
        (["account", "create"], "--name"),
        (["account", "create", "--name", "a b"], "3 to 32"),
        (["account", "invite", "--expires", "0"], "1 to 365"),
        (["account", "disable"], "NAME"),
        (["token", "rotate", "x", "--overlap", "-1"], "--overlap"),
        (["token", "rotate", "x", "--overlap", "90000"], "86400"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], hint: str) -> None:
    path = tmp_path / "db"
    result = run_app(*arguments, ECHO_SQLITE_PATH=str(path))
    assert result.returncode == 2
    assert hint in result.stderr
    assert not path.exists()
