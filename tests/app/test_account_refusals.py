"""Every way the routes of accounts refuse a request, on a real server: one table, one shape."""
# ruff: noqa: E501 - a table is read by the row

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from app import tokens
from app.accounts import service
from app.http import BODY_LIMIT
from app.store import open_store
from tests.app.accounts import PASSWORD, answer_of, call, log_in
from tests.app.answers import assert_problem
from tests.app.servers import Server, StartServer, free_port, start, stop

JSON = {"Content-Type": "application/json"}
CHALLENGE = {"www-authenticate": 'Bearer realm="echo-room"'}
INVALID = {"www-authenticate": 'Bearer realm="echo-room", error="invalid_token"'}
ACCEPT = {"accept": "application/json"}


@dataclass
class Refusal:
    """A request and its problem. SESSION, API, CODE, ID stand for what the server below has."""

    name: str
    problem: str
    request: str
    body: bytes | str = b""
    token: str = ""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    answer_headers: dict[str, str] = field(default_factory=dict)


ACCOUNT = '{"name": "new.one", "password": "tangible-otter-ladder", "invitation": "CODE"}'
LOG_IN = '{"name": "taken", "password": "tangible-otter-ladder"}'
SESSION_ROUTES = (
    "GET /tokens",
    "POST /tokens",
    "POST /tokens/ID/rotate",
    "DELETE /tokens/ID",
    "DELETE /sessions/current",
)
BODIES = (  # what is wrong with a body, wherever one is read
    ("half a body", "invalid-json", b'{"name": "x"'),
    ("not JSON", "invalid-json", b"name=x"),
    ("NaN", "invalid-json", b'{"name": NaN}'),
    ("nested too deeply", "invalid-json", b"[" * 100_000),
    ("invalid UTF-8", "invalid-utf-8", b'{"name": "\xff"}'),
    ("duplicate member", "duplicate-member", b'{"name": "x", "name": "y"}'),
    ("no object", "invalid-member", b'["name"]'),
    ("unknown member", "invalid-member", b'{"nmae": "x"}'),
    ("too large", "content-too-large", b'{"name": "' + b"x" * BODY_LIMIT + b'"}'),
)
TABLE = [
    *[
        Refusal(f"{request}, {what}", problem, request, body, "SESSION")
        for request in ("POST /accounts", "POST /sessions", "POST /tokens", "POST /tokens/ID/rotate")
        for what, problem, body in BODIES
    ],
    *[
        Refusal(f"{request}, {name}", "unsupported-media-type", request, LOG_IN, "SESSION", headers, answer)
        for request in ("POST /accounts", "POST /sessions", "POST /tokens", "POST /tokens/ID/rotate")
        for name, headers, answer in (
            ("no content type", {}, ACCEPT),
            ("a form", {"Content-Type": "application/x-www-form-urlencoded"}, ACCEPT),
            ("wrong charset", {"Content-Type": "application/json; charset=utf-16"}, ACCEPT),
            ("compressed", {**JSON, "Content-Encoding": "gzip"}, {"accept-encoding": "identity"}),
        )
    ],
    *[
        Refusal(f"{request}, {what}", "unauthorized", request, b"", token, answer_headers=answer)
        for request in (*SESSION_ROUTES, "POST /sessions")
        for what, token, answer in (
            ("no token", "", CHALLENGE),
            ("API token", "API", INVALID),
            ("unknown session", tokens.make(tokens.SESSION), INVALID),
            ("no token of ours", "secret", INVALID),
            ("session that was left", "LEFT", INVALID),
        )
    ],
    *[
        Refusal(f"{request}, another scheme", "unauthorized", request, headers={"Authorization": "Basic eDp5"}, answer_headers=CHALLENGE)
        for request in (*SESSION_ROUTES, "POST /sessions")
    ],
    *[
        Refusal(f"{method} {path}", "method-not-allowed", f"{method} {path}", answer_headers={"allow": allow})
        for path, allow, methods in (
            ("/accounts", "OPTIONS, POST", ("GET", "PUT", "DELETE", "PATCH", "BREW")),
            ("/sessions", "OPTIONS, POST", ("GET", "DELETE")),
            ("/sessions/current", "DELETE, OPTIONS", ("GET", "POST")),
            ("/tokens", "GET, HEAD, OPTIONS, POST", ("PUT", "DELETE")),
            ("/tokens/ID", "DELETE, OPTIONS", ("GET", "PUT", "POST")),
            ("/tokens/ID/rotate", "OPTIONS, POST", ("GET", "DELETE")),
        )
        for method in methods
    ],
    *[
        Refusal(f"sign-up, {what}", "invalid-member", "POST /accounts", body)
        for what, body in (
            ("no name", '{"password": "tangible-otter-ladder", "invitation": "CODE"}'),
            ("no password", '{"name": "new.one", "invitation": "CODE"}'),
            ("null as name", '{"name": null, "password": "tangible-otter-ladder"}'),
            ("number as name", '{"name": 5, "password": "tangible-otter-ladder"}'),
            ("name too short", '{"name": "ab", "password": "tangible-otter-ladder"}'),
            ("name with a space", '{"name": "new one", "password": "tangible-otter-ladder"}'),
            ("name in another script", '{"name": "\\u041a\\u043e\\u0442", "password": "tangible-otter-ladder"}'),
            ("half a character as name", '{"name": "\\ud800abc", "password": "tangible-otter-ladder"}'),
            ("password too short", '{"name": "new.one", "password": "elevenchars"}'),
            ("password too long", '{"name": "new.one", "password": "%s"}' % ("x" * 129)),
            ("list as password", '{"name": "new.one", "password": ["tangible-otter-ladder"]}'),
            ("true as invitation", '{"name": "new.one", "password": "tangible-otter-ladder", "invitation": true}'),
        )
    ],
    Refusal("no invitation", "invitation-refused", "POST /accounts", '{"name": "new.one", "password": "tangible-otter-ladder"}'),
    Refusal("unknown invitation", "invitation-refused", "POST /accounts", ACCOUNT.replace("CODE", tokens.make(tokens.INVITATION))),
    Refusal("expired invitation", "invitation-refused", "POST /accounts", ACCOUNT.replace("CODE", "LATE")),
    Refusal("used invitation", "invitation-refused", "POST /accounts", ACCOUNT.replace("CODE", "USED")),
    Refusal("used invitation for a taken name", "invitation-refused", "POST /accounts", ACCOUNT.replace("CODE", "USED").replace("new.one", "taken")),
    Refusal("taken name", "name-taken", "POST /accounts", ACCOUNT.replace("new.one", "TAKEN".title())),
    Refusal("common password", "weak-password", "POST /accounts", ACCOUNT.replace(PASSWORD, "password12345")),
    Refusal("the name as password", "weak-password", "POST /accounts", ACCOUNT.replace(PASSWORD, "new.one12345")),
    Refusal("wrong password", "invalid-credentials", "POST /sessions", LOG_IN.replace("otter", "goose"), answer_headers=CHALLENGE),
    Refusal("unknown account", "invalid-credentials", "POST /sessions", LOG_IN.replace("taken", "unknown"), answer_headers=CHALLENGE),
    Refusal("disabled account", "invalid-credentials", "POST /sessions", LOG_IN.replace("taken", "disabled"), answer_headers=CHALLENGE),
    Refusal("empty password", "invalid-member", "POST /sessions", '{"name": "taken", "password": ""}'),
    Refusal("endless password", "invalid-member", "POST /sessions", '{"name": "taken", "password": "%s"}' % ("x" * 129)),
    Refusal("log-in, no name of an account", "invalid-member", "POST /sessions", '{"name": "a b", "password": "x"}'),
    *[
        Refusal(f"token, {what}", "invalid-member", "POST /tokens", body, "SESSION")
        for what, body in (
            ("no name", "{}"),
            ("empty name", '{"name": ""}'),
            ("blank name", '{"name": "  "}'),
            ("name with a control character", '{"name": "a\\u0000b"}'),
            ("half a character as name", '{"name": "\\ud800"}'),
            ("long name", '{"name": "%s"}' % ("x" * 65)),
            ("no day", '{"name": "x", "expires_in_days": 0}'),
            ("too many days", '{"name": "x", "expires_in_days": 36501}'),
            ("half a day", '{"name": "x", "expires_in_days": 0.5}'),
            ("days in words", '{"name": "x", "expires_in_days": "7"}'),
            ("true as days", '{"name": "x", "expires_in_days": true}'),
            ("endless days", '{"name": "x", "expires_in_days": 1e999}'),
        )
    ],
    *[
        Refusal(f"overlap {value}", "invalid-member", "POST /tokens/ID/rotate", f'{{"overlap_seconds": {value}}}', "SESSION")
        for value in ("-1", "86401", "1.5", '"600"', "[]")
    ],
    Refusal("rotate no such token", "not-found", "POST /tokens/0123456789abcdef/rotate", token="SESSION"),
    Refusal("rotate a revoked token", "not-found", "POST /tokens/GONE/rotate", token="SESSION"),
    Refusal("rotate a rotated token", "already-rotated", "POST /tokens/OLD/rotate", token="SESSION"),
    Refusal("revoke no such token", "not-found", "DELETE /tokens/0123456789abcdef", token="SESSION"),
    Refusal("revoke by a long id", "not-found", f"DELETE /tokens/{'0' * 4000}", token="SESSION"),
    Refusal("rotate by a long id", "not-found", f"POST /tokens/{'0' * 4000}/rotate", token="SESSION"),
    Refusal("revoke by a strange id", "not-found", "DELETE /tokens/%F0%9F%98%80", token="SESSION"),
    Refusal("no such session", "not-found", "DELETE /sessions/0123456789abcdef", token="SESSION"),
]  # fmt: skip


@pytest.fixture(scope="module")
def invited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server for invited accounts, and what the words in the table stand for."""
    server = start(tmp_path_factory.mktemp("invited"), ECHO_SIGN_UP_TRIES="10000", ECHO_LOG_IN_TRIES="10000",
                   ECHO_CREDENTIAL_BURST="10000")  # fmt: skip
    store = open_store(server.settings)
    codes = [service.invite(store, seconds)[0] for seconds in (3600, -1, 3600, 3600)]
    for name, code in (("taken", codes[2]), ("disabled", codes[3])):
        body = {"name": name, "password": PASSWORD, "invitation": code}
        assert call(server, "POST", "/accounts", json=body).status_code == 201
    disabled = store.account_by_name("disabled")
    assert disabled is not None
    store.disable_account(disabled.id, 1)
    store.close()
    session, left = log_in(server, "taken"), log_in(server, "taken")
    assert call(server, "DELETE", "/sessions/current", token=left).status_code == 204
    made = [call(server, "POST", "/tokens", token=session, json={"name": "x"}).json() for _ in range(3)]
    assert call(server, "DELETE", f"/tokens/{made[1]['id']}", token=session).status_code == 204
    assert call(server, "POST", f"/tokens/{made[2]['id']}/rotate", token=session).status_code == 201
    yield server, {
        "SESSION": session, "LEFT": left, "API": made[0]["token"], "ID": made[0]["id"], "GONE": made[1]["id"],
        "OLD": made[2]["id"], "CODE": codes[0], "LATE": codes[1], "USED": codes[2],
    }  # fmt: skip
    stop(server)


@pytest.mark.parametrize("refusal", TABLE, ids=lambda refusal: refusal.name)
def test_refusal(invited: tuple[Server, dict[str, str]], refusal: Refusal) -> None:
    server, words = invited
    method, path = refusal.request.split(" ")
    path = "/".join(words.get(part, part) for part in path.split("/"))
    body = refusal.body
    if isinstance(body, str):
        for word in ("CODE", "LATE", "USED"):
            body = body.replace(word, words[word])
        body = body.encode()
    headers = dict(refusal.headers)
    if refusal.token:
        headers["Authorization"] = f"Bearer {words.get(refusal.token, refusal.token)}"
    if not body:
        headers.pop("Content-Type", None)
    answer = answer_of(requests.request(method, server.url + path, headers=headers, data=body, timeout=20))
    assert_problem(answer, refusal.problem)
    for name, value in refusal.answer_headers.items():
        got = answer.headers[name]
        assert sorted(got.split(", ")) == sorted(value.split(", ")) if name == "allow" else got == value
    for secret in (PASSWORD, words["SESSION"], words["API"], words["CODE"]):
        assert secret.encode() not in answer.body


def test_every_problem_of_accounts_is_in_the_table_or_below() -> None:
    mine = {"invalid-credentials", "invitation-refused", "name-taken", "already-rotated", "weak-password"}
    assert mine <= {refusal.problem for refusal in TABLE}


def test_too_many_failed_log_ins(start_server: StartServer) -> None:
    server = start_server(ECHO_LOG_IN_TRIES="3", ECHO_SIGN_UP="open")
    body = {"name": "victim", "password": PASSWORD}
    assert call(server, "POST", "/accounts", json=body).status_code == 201
    wrong = [call(server, "POST", "/sessions", json=body | {"password": "x"}) for _ in range(5)]
    assert [answer.status_code for answer in wrong[:3]] == [401] * 3
    refused = next(answer for answer in wrong if answer.status_code == 429)
    answer = answer_of(refused)
    assert_problem(answer, "too-many-attempts")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_too_many_sign_ups(start_server: StartServer) -> None:
    server = start_server(ECHO_SIGN_UP_TRIES="2", ECHO_SIGN_UP="open")
    answers = [
        answer_of(call(server, "POST", "/accounts", json={"name": f"user-{number}", "password": PASSWORD}))
        for number in range(4)
    ]
    assert [answer.status for answer in answers[:2]] == [201, 201]
    refused = next(answer for answer in answers if answer.status != 201)
    assert_problem(refused, "too-many-attempts")
    assert int(refused.headers["retry-after"]) >= 1


def test_without_a_store_nothing_is_decided(start_server: StartServer) -> None:
    server = start_server(
        wait_for="/healthz", ECHO_SIGN_UP="open", ECHO_STORE="dynamodb", ECHO_STORE_TIMEOUT_SECONDS="0.2",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}", AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x",
    )  # fmt: skip
    session = tokens.make(tokens.SESSION)
    body = {"name": "somebody", "password": PASSWORD}
    for method, path, options in (
        ("POST", "/accounts", {"json": body}), ("POST", "/sessions", {"json": body}),
        ("GET", "/tokens", {"token": session}), ("DELETE", "/sessions/current", {"token": session}),
    ):  # fmt: skip
        answer = answer_of(call(server, method, path, **options))
        assert_problem(answer, "store-unavailable")
        assert int(answer.headers["retry-after"]) > 0
