"""The command line, as an operator and a container use it."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from app import tokens
from app.settings import load
from app.store import open_store
from tests.app.servers import StartServer, free_port, run_app


def test_help_names_every_command() -> None:
    result = run_app("--help")
    assert result.returncode == 0
    assert all(command in result.stdout for command in ("serve", "healthcheck", "token", "settings"))
    assert run_app("token", "--help").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "COMMAND"),
        (["fly"], "fly"),
        (["token"], "ACTION"),
        (["token", "create"], "--name"),
        (["token", "create", "--name", " "], "printable"),
        (["token", "create", "--name", "x", "--expires", "tomorrow"], "2030-01-31"),
        (["token", "create", "--name", "x", "--expires", "0"], "1 to 36500"),
        (["token", "create", "--name", "x", "--expires", "2001-01-01"], "past"),
        (["token", "revoke"], "id"),
    ],
)
def test_wrong_use_is_answered_clearly(tmp_path: Path, arguments: list[str], hint: str) -> None:
    path = tmp_path / "tokens.sqlite3"
    result = run_app(*arguments, ECHO_SQLITE_PATH=str(path))
    assert result.returncode == 2
    assert hint in result.stderr
    assert "Traceback" not in result.stderr
    assert not path.exists()


@pytest.mark.parametrize("backend", ["sqlite", "dynamodb"])
def test_the_life_of_a_token(request: pytest.FixtureRequest, tmp_path: Path, backend: str) -> None:
    store = {"ECHO_SQLITE_PATH": str(tmp_path / "tokens.sqlite3")}
    if backend == "dynamodb":
        store = request.getfixturevalue("dynamodb_environment")
    assert json.loads(run_app("token", "list", "--json", **store).stdout) == []
    assert "No tokens" in run_app("token", "list", **store).stdout
    made = json.loads(
        run_app("token", "create", "--name", "för ops", "--expires", "30", "--json", **store).stdout
    )
    assert set(made) == {"id", "name", "token", "expires_at"}
    assert made["name"] == "för ops"
    assert tokens.well_formed(made["token"])
    in_days = time.mktime(time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(
        time.gmtime()
    )
    assert 29 * 86400 < in_days < 31 * 86400
    forever = run_app("token", "create", "--name", "forever", **store).stdout
    assert "without expiry" in forever
    listed = run_app("token", "list", "--json", **store).stdout
    assert made["token"] not in listed
    assert {row["name"] for row in json.loads(listed)} == {"för ops", "forever"}
    revoked = json.loads(run_app("token", "revoke", made["id"], "--json", **store).stdout)
    assert revoked["id"] == made["id"]
    assert revoked["revoked_at"]
    states = [line.split()[:2] for line in run_app("token", "list", **store).stdout.splitlines()]
    assert [made["id"], "revoked"] in states
    missing = run_app("token", "revoke", "nope", **store)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "'nope'" in missing.stderr


@pytest.mark.parametrize("region", ["AWS_DEFAULT_REGION", "AWS_REGION"])
def test_an_unreachable_store_is_one_line(region: str) -> None:
    result = run_app(
        "token", "list", ECHO_STORE="dynamodb", ECHO_STORE_TIMEOUT_SECONDS="0.2",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
        AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", **{region: "us-east-1"},
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith("error: DynamoDB table echo-room: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["token", "list"], ["serve"]])
def test_a_missing_region_is_one_line(command: list[str]) -> None:
    result = run_app(
        *command, ECHO_PORT=str(free_port()), ECHO_STORE="dynamodb", AWS_CONFIG_FILE="/nonexistent"
    )
    assert result.returncode == 1
    assert result.stderr == "error: cannot use DynamoDB: You must specify a region.\n"


def test_healthcheck(start_server: StartServer) -> None:
    server = start_server(ECHO_HOST="0.0.0.0")
    assert run_app("healthcheck", ECHO_HOST="0.0.0.0", ECHO_PORT=str(server.port)).returncode == 0
    gone = run_app("healthcheck", ECHO_PORT=str(free_port()))
    assert gone.returncode == 1
    assert "refused" in gone.stderr


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_app("serve", ECHO_PORT=str(port), ECHO_SQLITE_PATH=str(tmp_path / "db"))
    assert result.returncode == 1
    assert result.stderr == f"error: port {port} of 127.0.0.1 is in use; stop what uses it or set ECHO_PORT\n"


def test_an_address_of_another_machine_is_one_line(tmp_path: Path) -> None:
    result = run_app("serve", ECHO_HOST="192.0.2.1", ECHO_SQLITE_PATH=str(tmp_path / "db"))
    assert (result.returncode, result.stderr) == (
        1,
        "error: ECHO_HOST=192.0.2.1 is not an address of this machine\n",
    )


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run_app("serve", ECHO_PORT=str(free_port()), ECHO_SQLITE_PATH=str(tmp_path / "file" / "db"))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "file" in result.stderr


def test_tokens_are_random_recognisable_and_checked() -> None:
    made = {tokens.make() for _ in range(1000)}
    assert len(made) == 1000
    for token in made:
        assert token.startswith("echo_")
        assert len(token) == tokens.LENGTH
        assert tokens.well_formed(token)
    token = next(iter(made))
    for position in range(5, len(token)):  # any one character mistyped
        other = "a" if token[position] != "a" else "b"
        assert not tokens.well_formed(token[:position] + other + token[position + 1 :])
    for wrong in (
        "",
        "echo_",
        token[:-1],
        token + "a",
        token.replace("echo_", "ohce_"),
        f" {token}",
        f"{token}\n",
    ):
        assert not tokens.well_formed(wrong)


def test_only_the_hash_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "tokens.sqlite3"
    made = json.loads(run_app("token", "create", "--name", "x", "--json", ECHO_SQLITE_PATH=str(path)).stdout)
    store = open_store(load({"ECHO_SQLITE_PATH": str(path)}))
    record = store.find(tokens.digest(made["token"]))
    store.close()
    assert record is not None
    assert record.id == made["id"]
    secret = made["token"].removeprefix("echo_").encode()
    assert all(secret not in file.read_bytes() for file in tmp_path.iterdir())
