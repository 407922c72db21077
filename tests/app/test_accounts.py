"""Sign-up, log-in, sessions and tokens on real servers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import tokens
from app.accounts import service
from app.accounts.passwords import Passwords
from app.store import open_store
from tests.app.accounts import PASSWORD, account_id, answer_of, call, log_in, sign_up
from tests.app.answers import assert_problem
from tests.app.servers import Server, StartServer, start, stop

OPEN = {"ECHO_SIGN_UP": "open", "ECHO_SIGN_UP_TRIES": "1000", "ECHO_LOG_IN_TRIES": "1000"}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(tmp_path_factory.mktemp("open"), **OPEN)
    yield running
    stop(running)


def seconds_until(moment: str) -> float:
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() - time.time()


def test_from_sign_up_to_log_out(open_server: Server) -> None:
    made = call(open_server, "POST", "/accounts", json={"name": "First.User", "password": PASSWORD})
    assert made.status_code == 201
    assert set(made.json()) == {"id", "name", "created_at"}
    assert made.json()["name"] == "First.User"
    session = call(open_server, "POST", "/sessions", json={"name": "first.USER", "password": PASSWORD})
    assert session.status_code == 201
    assert set(session.json()) == {"id", "account", "token", "expires_at", "ends_at"}
    assert session.json()["account"] == "First.User"
    assert tokens.well_formed(session.json()["token"], tokens.SESSION)
    assert 880 < seconds_until(session.json()["expires_at"]) <= 900
    assert 43180 < seconds_until(session.json()["ends_at"]) <= 43200
    token = session.json()["token"]
    assert call(open_server, "GET", "/tokens", token=token).json() == {"tokens": []}
    out = call(open_server, "DELETE", "/sessions/current", token=token)
    assert (out.status_code, out.content) == (204, b"")
    assert_problem(answer_of(call(open_server, "GET", "/tokens", token=token)), "unauthorized")


def test_the_life_of_an_accounts_token(open_server: Server) -> None:
    session = log_in(open_server, sign_up(open_server))
    made = call(open_server, "POST", "/tokens", token=session, json={"name": "CI", "expires_in_days": 30})
    assert made.status_code == 201
    assert set(made.json()) == {"id", "name", "token", "created_at", "expires_at"}
    assert 29.99 < seconds_until(made.json()["expires_at"]) / 86400 <= 30
    api_token = made.json()["token"]
    assert open_server.echo(api_token).json() == {"str": "hello"}

    listed = call(open_server, "GET", "/tokens", token=session)
    assert api_token not in listed.text
    (shown,) = listed.json()["tokens"]
    assert (shown["id"], shown["name"], shown["revoked_at"]) == (made.json()["id"], "CI", None)
    deadline = time.monotonic() + 60
    while shown["last_used_on"] is None:  # noted behind the request's back
        assert time.monotonic() < deadline
        (shown,) = call(open_server, "GET", "/tokens", token=session).json()["tokens"]
    assert shown["last_used_on"] in {
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago)) for ago in (0, 60)
    }

    path = f"/tokens/{made.json()['id']}"
    for _ in range(2):
        assert call(open_server, "DELETE", path, token=session).status_code == 204
    (shown,) = call(open_server, "GET", "/tokens", token=session).json()["tokens"]
    assert shown["revoked_at"] is not None
    assert_problem(answer_of(call(open_server, "POST", f"{path}/rotate", token=session)), "not-found")


def test_both_tokens_work_while_one_is_rotated(start_server: StartServer) -> None:
    server = start_server(**OPEN, ECHO_TOKEN_CACHE_SECONDS="0.2")
    session = log_in(server, sign_up(server))
    old = call(server, "POST", "/tokens", token=session, json={"name": "x"}).json()
    assert server.echo(old["token"]).status_code == 200
    failures, stop_it = [], threading.Event()

    def client() -> None:
        while not stop_it.is_set():
            response = server.echo(old["token"])
            if response.status_code != 200:
                failures.append(response.status_code)

    busy = threading.Thread(target=client)
    busy.start()
    rotated = call(
        server, "POST", f"/tokens/{old['id']}/rotate", token=session, json={"overlap_seconds": 600}
    )
    assert rotated.status_code == 201
    new = rotated.json()
    assert new["name"] == "x"
    assert new["replaces"]["id"] == old["id"]
    assert 590 < seconds_until(new["replaces"]["expires_at"]) <= 600
    assert server.echo(new["token"]).status_code == 200
    time.sleep(0.4)  # the old one is looked up again
    stop_it.set()
    busy.join()
    assert failures == []
    again = call(server, "POST", f"/tokens/{old['id']}/rotate", token=session)
    assert_problem(answer_of(again), "already-rotated")

    # Without overlap the old one ends as soon as caches notice.
    last = call(
        server, "POST", f"/tokens/{new['id']}/rotate", token=session, json={"overlap_seconds": 0}
    ).json()
    time.sleep(0.3)
    assert server.echo(new["token"]).status_code == 401
    assert server.echo(last["token"]).status_code == 200
    assert server.echo(old["token"]).status_code == 200


def test_the_overlap_is_10_minutes_unless_it_is_said(open_server: Server) -> None:
    session = log_in(open_server, sign_up(open_server))
    made = call(
        open_server, "POST", "/tokens", token=session, json={"name": "x", "expires_in_days": 1}
    ).json()
    new = call(open_server, "POST", f"/tokens/{made['id']}/rotate", token=session).json()
    assert 590 < seconds_until(new["replaces"]["expires_at"]) <= 600
    assert 86390 < seconds_until(new["expires_at"]) <= 86400, "the lifetime is the old one's, from now on"


def test_accounts_see_and_touch_only_their_own(open_server: Server) -> None:
    mine, other = (log_in(open_server, sign_up(open_server)) for _ in range(2))
    made = call(open_server, "POST", "/tokens", token=mine, json={"name": "x"}).json()
    assert call(open_server, "GET", "/tokens", token=other).json() == {"tokens": []}
    for method, path in (("DELETE", ""), ("POST", "/rotate")):
        response = call(open_server, method, f"/tokens/{made['id']}{path}", token=other)
        assert_problem(answer_of(response), "not-found")
    assert open_server.echo(made["token"]).status_code == 200


def test_a_session_is_no_api_token_and_the_other_way_round(open_server: Server) -> None:
    session = log_in(open_server, sign_up(open_server))
    made = call(open_server, "POST", "/tokens", token=session, json={"name": "x"}).json()
    assert open_server.echo(session).status_code == 401
    assert call(open_server, "GET", "/tokens", token=made["token"]).status_code == 401


def test_sessions_idle_out_refresh_and_end(start_server: StartServer) -> None:
    server = start_server(**OPEN, ECHO_SESSION_IDLE_SECONDS="5", ECHO_SESSION_SECONDS="10")
    name = sign_up(server)
    idle, used = log_in(server, name), log_in(server, name)
    began = time.time()
    while time.time() < began + 6.2:
        refreshed = call(server, "POST", "/sessions", token=used)
        assert refreshed.status_code == 200
        assert set(refreshed.json()) == {"id", "account", "expires_at", "ends_at"}
        time.sleep(0.3)
    assert call(server, "GET", "/tokens", token=idle).status_code == 401
    while time.time() < began + 11:
        time.sleep(0.2)
        call(server, "POST", "/sessions", token=used)
    assert_problem(answer_of(call(server, "POST", "/sessions", token=used)), "unauthorized")


def test_any_use_of_a_session_counts(start_server: StartServer) -> None:
    server = start_server(**OPEN, ECHO_SESSION_IDLE_SECONDS="5")
    session = log_in(server, sign_up(server))
    for _ in range(8):
        time.sleep(0.9)
        assert call(server, "GET", "/tokens", token=session).status_code == 200


def test_by_invitation(start_server: StartServer) -> None:
    server = start_server()
    body = {"name": "guest", "password": PASSWORD}
    assert_problem(answer_of(call(server, "POST", "/accounts", json=body)), "invitation-refused")
    store = open_store(server.settings)
    code, _ = service.invite(store, 3600)
    late, _ = service.invite(store, -1)
    for wrong in (tokens.make(tokens.INVITATION), tokens.make(), late, "x"):
        response = call(server, "POST", "/accounts", json=body | {"invitation": wrong})
        assert_problem(answer_of(response), "invitation-refused")
    store.close()
    assert call(server, "POST", "/accounts", json=body | {"invitation": code}).status_code == 201
    response = call(server, "POST", "/accounts", json=body | {"invitation": code, "name": "another"})
    assert_problem(answer_of(response), "invitation-refused")
    assert log_in(server, "guest")


def test_a_closed_door(start_server: StartServer) -> None:
    server = start_server(ECHO_SIGN_UP="closed")
    response = call(server, "POST", "/accounts", json={"name": "guest", "password": PASSWORD})
    assert_problem(answer_of(response), "sign-up-closed")


def test_disabling_ends_tokens_and_sessions_on_the_server(start_server: StartServer) -> None:
    server = start_server(**OPEN, ECHO_TOKEN_CACHE_SECONDS="0.2")
    name = sign_up(server)
    session = log_in(server, name)
    made = call(server, "POST", "/tokens", token=session, json={"name": "x"}).json()
    assert server.echo(made["token"]).status_code == 200
    store = open_store(server.settings)
    store.disable_account(account_id(server, name), int(time.time()))
    store.close()
    assert call(server, "GET", "/tokens", token=session).status_code == 401
    response = call(server, "POST", "/sessions", json={"name": name, "password": PASSWORD})
    assert_problem(answer_of(response), "invalid-credentials")
    time.sleep(0.3)
    assert server.echo(made["token"]).status_code == 401


def test_nothing_tells_whether_an_account_exists(open_server: Server) -> None:
    name = sign_up(open_server)
    disabled = sign_up(open_server)
    store = open_store(open_server.settings)
    store.disable_account(account_id(open_server, disabled), int(time.time()))
    store.close()
    answers = set()
    for who, password in ((name, "not the password"), ("nobody-here", PASSWORD), (disabled, PASSWORD)):
        response = call(open_server, "POST", "/sessions", json={"name": who, "password": password})
        assert_problem(answer_of(response), "invalid-credentials")
        fixed = {n: v for n, v in response.headers.items() if n.lower() not in ("x-request-id", "date")}
        document = response.json()
        document.pop("request_id")
        # The limit's header fields count down from request to request.
        fixed = {n: v for n, v in fixed.items() if not n.lower().startswith("ratelimit")}
        answers.add((re.sub(r"\d+", "", str(sorted(fixed.items()))), str(document)))
    assert len(answers) == 1


def test_an_old_hash_is_renewed_at_log_in(open_server: Server) -> None:
    name = sign_up(open_server)
    store = open_store(open_server.settings)
    account = store.account_by_name(name)
    assert account is not None
    weaker = Passwords(1, memory_kib=64, passes=1).hash(PASSWORD)
    store.set_password_hash(account.id, account.password_hash, weaker)
    log_in(open_server, name)
    renewed = store.account_by_name(name)
    store.close()
    assert renewed is not None
    assert renewed.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    log_in(open_server, name)


def test_the_tokens_of_an_account_are_counted(open_server: Server) -> None:
    session = log_in(open_server, sign_up(open_server))
    answers = [
        call(open_server, "POST", "/tokens", token=session, json={"name": str(number)})
        for number in range(21)
    ]
    assert [answer.status_code for answer in answers] == [201] * 20 + [409]
    assert_problem(answer_of(answers[-1]), "too-many-tokens")


def test_nothing_secret_is_logged_or_stored(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(**OPEN)
    session = log_in(server, sign_up(server, "somebody"))
    made = call(server, "POST", "/tokens", token=session, json={"name": "x"}).json()
    call(server, "POST", "/sessions", json={"name": "somebody", "password": PASSWORD + "!"})
    assert server.terminate() == 0
    secrets = [PASSWORD, session.removeprefix("echos_"), made["token"].removeprefix("echo_")]
    for secret in secrets:
        assert secret not in server.output()
        for file in server.folder.iterdir():
            assert secret.encode() not in file.read_bytes(), file


def test_hashing_does_not_keep_the_event_loop_or_other_routes(open_server: Server) -> None:
    token, _ = open_server.new_token()
    done = threading.Event()
    statuses: set[int] = set()

    def guess() -> None:
        while not done.is_set():
            response = call(open_server, "POST", "/sessions", json={"name": "nobody", "password": "x"})
            statuses.add(response.status_code)

    guessers = [threading.Thread(target=guess) for _ in range(12)]
    for thread in guessers:
        thread.start()
    for _ in range(30):
        assert open_server.echo(token).status_code == 200
        assert call(open_server, "GET", "/readyz").status_code == 200
    done.set()
    for thread in guessers:
        thread.join()
    assert statuses <= {401, 429, 503}
