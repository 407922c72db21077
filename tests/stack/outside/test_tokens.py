"""Listing and revoking API tokens by the environment file's commands."""

from __future__ import annotations

import json

import pytest

# A store of tokens that is one file, with the contract of the service's own command line.
COMMANDS = """
import json, pathlib, sys
file = pathlib.Path(__file__).with_name("tokens.json")
tokens = json.loads(file.read_text())
if sys.argv[1] == "list":
    print(json.dumps(tokens))
else:
    found = [one for one in tokens if one["id"] == sys.argv[2]]
    if not found:
        sys.exit(f"no token has the id {sys.argv[2]!r}")
    found[0]["revoked_at"] = "2026-01-01T00:00:00Z"
    file.write_text(json.dumps(tokens))
"""


@pytest.fixture
def with_tokens(created):
    (created.root / "manage.py").write_text(COMMANDS)
    (created.root / "tokens.json").write_text(
        json.dumps(
            [
                {"id": "a1", "name": "laptop", "expires_at": None, "last_used_on": "2026-11-01"},
                {"id": "b2", "name": "ci", "expires_at": "2020-01-01T00:00:00Z"},
                {"id": "c3", "name": "old", "rotated_to": "a1", "expires_at": "2999-01-01T00:00:00Z"},
            ]
        )
    )
    created.file.write_text(
        created.file.read_text().replace(
            "[token]\n",
            '[token]\nlist = ["{python}", "manage.py", "list"]\n'
            'revoke = ["{python}", "manage.py", "revoke", "{id}"]\n',
        )
    )
    return created


def test_tokens_are_listed_with_their_state_and_one_can_be_revoked(with_tokens):
    def states() -> dict[str, str]:
        done = with_tokens.do("tokens", "--json")
        assert done.exit_code == 0, done.output
        return {one["id"]: one["state"] for one in json.loads(done.stdout)}

    assert states() == {"a1": "valid", "b2": "expired", "c3": "rotated"}
    done = with_tokens.do("revoke-token", "--id", "a1")
    assert done.exit_code == 0, done.output
    assert states() == {"a1": "revoked", "b2": "expired", "c3": "rotated"}
    shown = with_tokens.do("tokens").stdout
    for words in ("laptop", "revoked", "2026-11-01", "never"):
        assert words in shown


def test_a_token_that_is_not_there_is_named(with_tokens):
    done = with_tokens.do("revoke-token", "--id", "zz")
    assert done.exit_code == 1
    assert "Revoking the token zz failed: no token has the id 'zz'" in done.stderr
    done = with_tokens.do("revoke-token")
    assert done.exit_code == 2
    assert "make tokens ENV=" in done.stderr


def test_no_tokens_is_said_and_what_to_do(with_tokens):
    (with_tokens.root / "tokens.json").write_text("[]")
    done = with_tokens.do("tokens")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "has no tokens" in done.stderr
    assert json.loads(with_tokens.do("tokens", "--json").stdout) == []


@pytest.mark.parametrize("said", ["{}x", '[{"name": "x"}]', '[{"id": "x", "expires_at": "soon"}]', "[3]"])
def test_a_listing_that_is_none_is_an_error(with_tokens, said):
    (with_tokens.root / "manage.py").write_text(f"print({said!r})")
    done = with_tokens.do("tokens")
    assert done.exit_code == 1, done.output
    assert "did not print a JSON list" in done.stderr


@pytest.mark.parametrize("command", [["tokens"], ["revoke-token", "--id", "x"]])
def test_an_environment_without_the_command_says_so(created, command):
    done = created.do(*command)
    assert done.exit_code == 2
    assert "has no [token]" in done.stderr
    assert "environments/local.toml" in done.stderr
