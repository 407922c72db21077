"""Whatever ends a token ends it on every process within ECHO_TOKEN_CACHE_SECONDS, which is 60 at most."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.settings import SettingsError, load
from tests.app.accounts import call, log_in, sign_up
from tests.app.servers import Server, StartServer, run_app

CACHE_SECONDS = 1.5
# What the clocks, a look-up and a busy machine may add.
MARGIN_SECONDS = 8.0


def revoke_by_route(server: Server, _name: str, session: str, token_id: str) -> None:
    assert call(server, "DELETE", f"/tokens/{token_id}", token=session).status_code == 204


def rotate_without_overlap(server: Server, _name: str, session: str, token_id: str) -> None:
    response = call(server, "POST", f"/tokens/{token_id}/rotate", token=session, json={"overlap_seconds": 0})
    assert response.status_code == 201


def command(*arguments: str) -> Callable[[Server, str, str, str], None]:
    def run(server: Server, name: str, _session: str, token_id: str) -> None:
        words = [{"NAME": name, "ID": token_id}.get(word, word) for word in arguments]
        kept = ("ECHO_STORE", "ECHO_SQLITE_PATH", "ECHO_DYNAMODB_TABLE")
        environment = {
            key: value for key, value in server.environment.items() if key in kept or key.startswith("AWS_")
        }
        result = run_app(*words, **environment)
        assert result.returncode == 0, result.stderr

    return run


ENDS = {
    "revoked by its owner": revoke_by_route,
    "rotated without overlap": rotate_without_overlap,
    "revoked by an operator": command("token", "revoke", "ID", "--account", "NAME"),
    "account disabled": command("account", "disable", "NAME"),
    "account deleted": command("account", "delete", "NAME", "--yes"),
}


@pytest.mark.parametrize("backend", ["sqlite", "dynamodb"])
def test_it_ends_on_both_processes(
    request: pytest.FixtureRequest, start_server: StartServer, backend: str
) -> None:
    environment = {
        "ECHO_TOKEN_CACHE_SECONDS": str(CACHE_SECONDS), "ECHO_SIGN_UP": "open", "ECHO_SIGN_UP_TRIES": "100",
        "ECHO_STORE_TIMEOUT_SECONDS": "5",
    }  # fmt: skip
    if backend == "dynamodb":
        environment |= request.getfixturevalue("dynamodb_environment")
    first = start_server(**environment)
    second = start_server(**environment | {"ECHO_SQLITE_PATH": first.environment["ECHO_SQLITE_PATH"]})
    took: dict[str, float] = {}
    for how, end in ENDS.items():
        name = sign_up(first)
        session = log_in(first, name)
        made = call(second, "POST", "/tokens", token=session, json={"name": "x"}).json()
        other = call(second, "POST", "/tokens", token=session, json={"name": "other"}).json()
        for server in (first, second):
            assert server.echo(made["token"]).status_code == 200
            assert server.echo(other["token"]).status_code == 200
        end(first, name, session, made["id"])
        ended = time.monotonic()
        for server in (second, first):
            while server.echo(made["token"]).status_code != 401:
                assert time.monotonic() - ended < CACHE_SECONDS + MARGIN_SECONDS, how
                time.sleep(0.02)
        took[how] = time.monotonic() - ended
        for server in (first, second):  # and it does not come back
            assert server.echo(made["token"]).status_code == 401
        if how.startswith("account"):
            assert call(second, "GET", "/tokens", token=session).status_code == 401, "sessions end at once"
            while second.echo(other["token"]).status_code != 401:
                assert time.monotonic() - ended < CACHE_SECONDS + MARGIN_SECONDS, how
        else:
            assert second.echo(other["token"]).status_code == 200
    assert len(took) == len(ENDS)


def test_the_bound_is_a_minute_whatever_is_set() -> None:
    assert load({}).token_cache_seconds <= 60
    assert load({"ECHO_TOKEN_CACHE_SECONDS": "60"}).token_cache_seconds == 60
    with pytest.raises(SettingsError):
        load({"ECHO_TOKEN_CACHE_SECONDS": "60.1"})


def test_logging_out_ends_the_session_on_both_processes_at_once(start_server: StartServer) -> None:
    first = start_server(ECHO_SIGN_UP="open")
    second = start_server(ECHO_SQLITE_PATH=first.environment["ECHO_SQLITE_PATH"])
    session = log_in(first, sign_up(first))
    assert call(second, "GET", "/tokens", token=session).status_code == 200
    assert call(first, "DELETE", "/sessions/current", token=session).status_code == 204
    assert call(second, "GET", "/tokens", token=session).status_code == 401
