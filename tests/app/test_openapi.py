"""The OpenAPI document and its page against the routes, the problems, and a running server."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from app.lifecycle import Lifecycle
from app.problems import KINDS
from app.settings import load
from app.web import create_app
from app.web.openapi import document, page
from app.web.operations import OPERATIONS, SCHEMAS
from tests.app.accounts import PASSWORD, call, log_in, sign_up
from tests.app.servers import ROOT, Server, start, stop

# Not a description's business: the faults that a request asks for have any status.
UNDESCRIBED = {"requested-fault", "method-not-allowed"}
# The stateful phase takes it for an error if no operation of a run leads to another.
WITHOUT_LINKS = ("--phases", "examples,coverage,fuzzing")


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(
        tmp_path_factory.mktemp("openapi"), ECHO_SIGN_UP="open", ECHO_SIGN_UP_TRIES="1000000",
        ECHO_LOG_IN_TRIES="1000000", ECHO_CREDENTIAL_RATE="0",
    )  # fmt: skip
    yield running
    stop(running)


def test_the_document_is_served_and_valid(open_server: Server) -> None:
    import jsonschema  # takes more than a second, of every worker

    answer = requests.get(f"{open_server.url}/openapi.json", timeout=30)
    assert answer.headers["Content-Type"] == "application/json"
    served = answer.json()
    assert served == json.loads(json.dumps(document()))
    assert served["openapi"].startswith("3.1.")
    for schema in served["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    references = set(re.findall(r'"#/components/schemas/(\w+)"', answer.text))
    assert references == set(SCHEMAS), "a schema is missing or unused"
    ids = [operation.id for operation in OPERATIONS]
    assert len(ids) == len(set(ids))


def test_the_document_has_the_routes_and_no_others() -> None:
    flask = {
        (method, rule.rule.replace("<token_id>", "{id}"))
        for rule in create_app(load({}), Lifecycle()).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    anything = {(operation.method, "/anything") for operation in OPERATIONS if operation.path == "/anything"}
    assert len(anything) == 8
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    assert described == flask | anything | {
        ("POST", "/echo"), ("GET", "/ws"), ("GET", "/whoami"), ("GET", "/healthz/echo"),
    }  # fmt: skip
    written = set(
        re.findall(r"^\| `([A-Z]+) (/\S*)` \|", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    )
    assert described - anything | {("ANY", "/anything")} == written


def test_the_document_has_every_problem_with_its_status() -> None:
    found: dict[str, int] = {}
    for methods in document()["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/problem+json")
                if content is None:
                    assert int(status) < 400
                    continue
                for kind in content["schema"]["allOf"][1]["properties"]["type"]["enum"]:
                    found[kind.removeprefix("urn:echo-room:problem:")] = int(status)
    assert found == {name: kind.status for name, kind in KINDS.items() if name not in UNDESCRIBED}


class Page(HTMLParser):
    """What a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_the_page_needs_nothing_but_itself(open_server: Server) -> None:
    answer = requests.get(f"{open_server.url}/docs", timeout=30)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    style = re.findall(r"<style>(.*?)</style>", answer.text, flags=re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    )
    read = Page()
    read.feed(answer.text)
    assert not read.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert all(value.startswith(("#", "/")) for name, value in read.attributes if name in ("href", "src"))
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    for operation in OPERATIONS:
        assert f"<code>{operation.method} {operation.path}</code>" in page()


def schemathesis(folder: Path, server: Server, session: str, *arguments: str) -> str:
    """What it printed; fails if it found anything."""
    token, _ = server.new_token()
    configuration = folder / "schemathesis.toml"
    configuration.write_text(
        f"""
        [auth.openapi.token]
        bearer = "{token}"
        [auth.openapi.session]
        bearer = "{session}"
        [checks.positive_data_acceptance]
        expected-statuses = ["2xx", 401, 403, 404, 409, 429]
        # What JSON Schema cannot say: a password that is easy to guess, a name that cannot be printed.
        [[operations]]
        include-operation-id = ["signUp", "createToken"]
        checks.positive_data_acceptance.expected-statuses = ["2xx", 403, 409, 422, 429]
        # And a handshake is more than HTTP.
        [[operations]]
        include-operation-id = "websocket"
        checks.positive_data_acceptance.expected-statuses = [426]
        """
    )
    command = Path(sys.executable).with_name("schemathesis")
    result = subprocess.run(
        [str(command), "--config-file", str(configuration), "run", f"{server.url}/openapi.json",
         "--checks", "all", "--max-examples", "40", "--seed", "1", "--workers", "1", "--continue-on-failure",
         "--warnings", "off", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    return result.stdout


def counted(output: str) -> int:
    """How many test cases there were."""
    found: Any = re.search(r"(\d+) generated", output)
    return int(found[1])


def test_schemathesis_finds_nothing(open_server: Server, tmp_path: Path) -> None:
    session = log_in(open_server, sign_up(open_server))
    most = schemathesis(
        tmp_path, open_server, session, "--exclude-operation-id", "logOut", "--exclude-path", "/anything"
    )
    assert counted(most) > 200
    # It answers every method, among them some (QUERY) that OpenAPI 3.1 has no word for.
    only = ("--include-path", "/anything", "--exclude-checks", "unsupported_method")
    assert counted(schemathesis(tmp_path, open_server, session, *only, *WITHOUT_LINKS)) > 40
    # Last, because it ends the session.
    schemathesis(tmp_path, open_server, session, "--include-operation-id", "logOut", *WITHOUT_LINKS)
    assert "fault in" not in open_server.output()


def test_schemathesis_would_find_something(open_server: Server, tmp_path: Path) -> None:
    """The proof that the test above can fail: a document that promises another status."""
    wrong = json.loads(json.dumps(document()))
    answers = wrong["paths"]["/hello"]["get"]["responses"]
    answers["202"] = answers.pop("200")
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    command = Path(sys.executable).with_name("schemathesis")
    result = subprocess.run(
        [str(command), "run", str(tmp_path / "wrong.json"), "--url", open_server.url, "--checks", "all",
         "--max-examples", "2", "--include-path", "/hello", *WITHOUT_LINKS],
        cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "1 failure" in result.stdout
    assert "GET /hello" in result.stdout


def test_answers_match_their_schemas(open_server: Server) -> None:
    import jsonschema

    def valid(name: str, value: object) -> None:
        jsonschema.Draft202012Validator(SCHEMAS[name]).validate(value)

    account = call(open_server, "POST", "/accounts", json={"name": "schema.user", "password": PASSWORD})
    valid("Account", account.json())
    logged_in = call(open_server, "POST", "/sessions", json={"name": "schema.user", "password": PASSWORD})
    valid("NewSession", logged_in.json())
    session = logged_in.json()["token"]
    valid("Session", call(open_server, "POST", "/sessions", token=session).json())
    made = call(open_server, "POST", "/tokens", token=session, json={"name": "x", "expires_in_days": None})
    valid("NewToken", made.json())
    rotated = call(
        open_server, "POST", f"/tokens/{made.json()['id']}/rotate", token=session,
        json={"overlap_seconds": None},
    )  # fmt: skip
    valid("RotatedToken", rotated.json())
    valid("Tokens", call(open_server, "GET", "/tokens", token=session).json())
    valid("Anything", call(open_server, "POST", "/anything", token=made.json()["token"], json=[1]).json())
    valid("Task", call(open_server, "GET", "/whoami", token=made.json()["token"]).json())
