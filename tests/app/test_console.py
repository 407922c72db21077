"""The console's page, its session in a cookie, and what other pages cannot do with it; on a real server."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
import requests

from app.telemetry.metrics import Metrics
from app.telemetry.recent import Recent
from app.web.page import SCRIPTS, STATIC
from tests.app.accounts import PASSWORD, answer_of, call, log_in, sign_up
from tests.app.answers import assert_problem
from tests.app.servers import Server, StartServer, start, stop

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
CONSOLE = {"X-Echo-Console": "1"}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(
        tmp_path_factory.mktemp("console"), ECHO_SIGN_UP="open", ECHO_TRUSTED_HOPS="1",
        ECHO_SIGN_UP_TRIES="1000",
    )  # fmt: skip
    yield running
    stop(running)


def get_page(server: Server, **headers: str) -> requests.Response:
    return requests.get(f"{server.url}/", headers={"Accept": BROWSER, **headers}, timeout=30)


def on_console(
    server: Server, method: str, path: str, cookie: str = "", **options: object
) -> requests.Response:
    """A request as the page makes it, with the session that `cookie` (its name and value) says."""
    headers = {**CONSOLE, **({"Cookie": cookie} if cookie else {}), **options.pop("headers", {})}
    return requests.request(method, server.url + path, headers=headers, timeout=20, **options)


def console_log_in(server: Server, **headers: str) -> tuple[str, requests.Response]:
    """The cookie of a new account's session, and the answer that gave it."""
    body = {"name": sign_up(server), "password": PASSWORD}
    answer = on_console(server, "POST", "/console/session", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Set-Cookie"].partition(";")[0], answer


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True), ("text/html", True), ("text/*", True), ("*/*", False), ("application/json", False),
        ("application/json, text/html", False), ("application/json;q=0.5, text/html", True),
        ("image/png", False),
    ],
)  # fmt: skip
def test_who_prefers_html_gets_the_page(open_server: Server, accept: str, page: bool) -> None:
    answer = requests.get(f"{open_server.url}/", headers={"Accept": accept}, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Content-Type"] == ("text/html; charset=utf-8" if page else "application/json")
    assert page or answer.json() == {"Hello": "Welcome to the Echo Room."}


class Page(HTMLParser):
    """What a page would load or run, and the text of its style sheets and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self._now = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._now = tag

    def handle_endtag(self, _: str) -> None:
        self._now = ""

    def handle_data(self, data: str) -> None:
        if self._now in self.inside:
            self.inside[self._now].append(data)


def test_the_page_runs_what_is_in_it_and_nothing_else(open_server: Server) -> None:
    answer = get_page(open_server)
    read = Page()
    read.feed(answer.content.decode())

    def digest(kind: str) -> str:
        (text,) = read.inside[kind]
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest('style')}'; script-src 'sha256-{digest('script')}'; "
        "connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    links = [value for _, name, value in read.attributes if name in ("href", "src", "action")]
    assert links
    assert all(value.startswith(("#", "/", "data:image/svg+xml,")) for value in links)
    assert not [name for _, name, _ in read.attributes if name.startswith("on") or name == "style"]
    for member in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert member not in read.inside["script"][0]


def test_the_page_is_kept_and_asked_about(open_server: Server) -> None:
    first = get_page(open_server)
    assert first.headers["Cache-Control"] == "no-cache"
    again = get_page(open_server, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Content-Length" not in again.headers
    assert again.headers["ETag"] == first.headers["ETag"]
    assert get_page(open_server, **{"If-None-Match": '"other"'}).status_code == 200


def test_every_text_is_used_and_stands_in_one_place() -> None:
    texts = json.loads((STATIC / "texts.json").read_text())
    scripts = "".join((STATIC / name).read_text() for name in SCRIPTS)
    page = (STATIC / "page.html").read_text()
    assert {path.name for path in STATIC.glob("*.js")} == set(SCRIPTS)
    in_scripts = set(re.findall(r"\bTEXTS\.(\w+)", scripts))
    assert in_scripts - {"state"} <= set(texts)
    states = {"active", "revoked", "expired", "rotated"}  # TEXTS[state]
    assert in_scripts | set(re.findall(r"\{\{ t\.(\w+) \}\}", page)) | states == set(texts)


def test_the_session_is_in_a_cookie_that_no_script_can_read(open_server: Server) -> None:
    cookie, answer = console_log_in(open_server)
    assert answer.json().keys() == {"account", "expires_at", "ends_at"}
    assert re.fullmatch(
        r"echo-session=echos_\w{38}; HttpOnly; Path=/; SameSite=Strict", answer.headers["Set-Cookie"]
    )
    _, answer = console_log_in(open_server, **{"X-Forwarded-Proto": "https"})
    assert re.fullmatch(
        r"__Host-echo-session=echos_\w{38}; Secure; HttpOnly; Path=/; SameSite=Strict",
        answer.headers["Set-Cookie"],
    )
    # Over TLS the name without the prefix, which a sibling of this host could set, counts for nothing.
    found = on_console(open_server, "GET", "/console/session", cookie, headers={"X-Forwarded-Proto": "https"})
    assert found.json() == {"account": None}


def test_what_only_a_balancer_says_counts_only_behind_one(start_server: StartServer) -> None:
    server = start_server(ECHO_SIGN_UP="open")
    _, answer = console_log_in(server, **{"X-Forwarded-Proto": "https"})
    assert "Secure" not in answer.headers["Set-Cookie"]


def test_tokens_with_the_cookie(open_server: Server) -> None:
    cookie, _ = console_log_in(open_server)
    made = on_console(open_server, "POST", "/tokens", cookie, json={"name": "page"})
    assert made.status_code == 201
    assert open_server.echo(made.json()["token"]).status_code == 200
    token_id = made.json()["id"]
    assert on_console(open_server, "POST", f"/tokens/{token_id}/rotate", cookie).status_code == 201
    assert on_console(open_server, "DELETE", f"/tokens/{token_id}", cookie).status_code == 204
    listed = on_console(open_server, "GET", "/tokens", cookie).json()["tokens"]
    assert [token["name"] for token in listed] == ["page", "page"]
    assert on_console(open_server, "POST", "/sessions", cookie).status_code == 200
    assert on_console(open_server, "DELETE", "/sessions/current", cookie).status_code == 204
    assert on_console(open_server, "GET", "/tokens", cookie).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Echo-Console": "0"},
        {**CONSOLE, "Origin": "https://elsewhere.example"},
        {**CONSOLE, "Origin": "null"},
        {**CONSOLE, "Origin": "http://127.0.0.1"},  # another port is another origin
        {**CONSOLE, "Sec-Fetch-Site": "cross-site"},
        {**CONSOLE, "Sec-Fetch-Site": "same-site"},
        {**CONSOLE, "Sec-Fetch-Site": "none"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/tokens"), ("POST", "/tokens"), ("DELETE", "/sessions/current"), ("GET", "/console/session"),
     ("DELETE", "/console/session"), ("POST", "/console/session")],
)  # fmt: skip
def test_other_pages_cannot_use_the_cookie(
    open_server: Server, victim: str, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = requests.request(
        method, open_server.url + path, headers={"Cookie": victim, **headers}, json={"name": "x"}, timeout=30
    )
    assert_problem(answer_of(answer), "forbidden")
    assert "Set-Cookie" not in answer.headers
    own = {"Origin": open_server.url, "Sec-Fetch-Site": "same-origin"}
    listed = on_console(open_server, "GET", "/tokens", victim, headers=own)
    assert (listed.status_code, listed.json()) == (200, {"tokens": []})


@pytest.fixture(scope="module")
def victim(open_server: Server) -> str:
    return console_log_in(open_server)[0]


def test_no_other_origin_is_told_that_it_may_send_the_header(open_server: Server) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "x-echo-console"}  # fmt: skip
    for path in ("/tokens", "/console/session"):
        answer = requests.options(open_server.url + path, headers=asked, timeout=30)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_the_header_counts_where_both_are_there(open_server: Server, victim: str) -> None:
    name = sign_up(open_server)
    token = log_in(open_server, name)
    answer = on_console(open_server, "GET", "/tokens", victim, headers={"Authorization": f"Bearer {token}x"})
    assert_problem(answer_of(answer), "unauthorized")
    # Programs that send no cookie need nothing else.
    assert call(open_server, "GET", "/tokens", token=token).status_code == 200


def test_the_cookie_is_nothing_to_echo(open_server: Server, victim: str) -> None:
    for method, path in (("POST", "/echo"), ("GET", "/whoami"), ("GET", "/anything")):
        answer = on_console(open_server, method, path, victim, json={"str": "x"})
        assert answer.status_code == 401


def test_logging_out_ends_the_session_everywhere(open_server: Server) -> None:
    cookie, _ = console_log_in(open_server)
    assert on_console(open_server, "GET", "/console/session", cookie).json()["account"]
    left = on_console(open_server, "DELETE", "/console/session", cookie)
    assert left.status_code == 204
    assert "echo-session=;" in left.headers["Set-Cookie"]
    assert "Max-Age=0" in left.headers["Set-Cookie"]
    bearer = call(open_server, "GET", "/tokens", token=cookie.partition("=")[2])
    assert bearer.status_code == 401
    nobody = on_console(open_server, "GET", "/console/session", cookie)
    assert nobody.json() == {"account": None}
    assert "Max-Age=0" in nobody.headers["Set-Cookie"], "the browser may forget it"
    assert on_console(open_server, "DELETE", "/console/session", cookie).status_code == 204


def test_a_log_in_that_is_refused_gives_no_cookie(open_server: Server) -> None:
    body = {"name": sign_up(open_server), "password": "not the password"}
    answer = on_console(open_server, "POST", "/console/session", json=body)
    assert_problem(answer_of(answer), "invalid-credentials")
    assert "Set-Cookie" not in answer.headers


def test_log_ins_are_limited_like_those_of_programs(start_server: StartServer) -> None:
    server = start_server(ECHO_SIGN_UP="open", ECHO_CREDENTIAL_RATE="0.001", ECHO_CREDENTIAL_BURST="2")
    console_log_in(server)  # and a sign-up
    answer = on_console(server, "POST", "/console/session", json={"name": "nobody", "password": PASSWORD})
    assert_problem(answer_of(answer), "too-many-requests")


def test_switched_off_there_is_no_trace_of_it(start_server: StartServer) -> None:
    server = start_server(ECHO_SIGN_UP="open", ECHO_CONSOLE="off")
    assert get_page(server).json() == {"Hello": "Welcome to the Echo Room."}
    token = log_in(server, sign_up(server))
    for path in ("/console/session", "/console/status"):
        assert on_console(server, "GET", path).status_code == 404
    cookie = f"echo-session={token}"
    assert on_console(server, "GET", "/tokens", cookie).status_code == 401
    assert "/console/" not in requests.get(f"{server.url}/openapi.json", timeout=30).text
    assert "/console/" not in requests.get(f"{server.url}/docs", timeout=30).text


def test_the_state_of_a_server_that_leaves(start_server: StartServer) -> None:
    server = start_server(ECHO_GRACE_SECONDS="60", ECHO_VERSION="7", ECHO_ENV="stage")
    status = requests.get(f"{server.url}/console/status", timeout=30).json()
    assert (status["ready"], status["detail"]) == (True, None)
    assert (status["version"], status["environment"], status["sign_up"]) == ("7", "stage", "invite")
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 60
    while status["ready"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        status = requests.get(f"{server.url}/console/status", timeout=30).json()
    assert status["detail"] == "This server is shutting down."


def test_the_latest_percentiles_are_of_the_last_minute() -> None:
    now = 0.0
    metrics = Metrics(["/echo"])
    recent = Recent(metrics, clock=lambda: now)
    metrics.request("/echo", 200, 9.0, 0, 0)  # before anybody looked
    recent.sample()
    assert recent.latest == {"seconds": 0.0, "p50_ms": None, "p99_ms": None}
    for _ in range(98):
        metrics.request("/echo", 200, 0.0015, 0, 0)
    for _ in range(2):
        metrics.request("/echo", 200, 0.25, 0, 0)
    now = 5.0
    recent.sample()
    assert recent.latest == {"seconds": 5.0, "p50_ms": 1.5, "p99_ms": 250.0}
    for _ in range(13):
        now += 5.0
        recent.sample()
    assert recent.latest == {"seconds": 60.0, "p50_ms": None, "p99_ms": None}
