"""`test`: exercises the deployed service from outside, through its address, as a client would."""

from __future__ import annotations

import functools
import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from rich.table import Table

from stack import access, endpoint, stacks, web
from stack.access import Token
from stack.clients import Cloud
from stack.errors import FAILED, OK, ToolError, refused
from stack.terminal import Terminal

_MIB = 1024 * 1024
# Text that goes wrong where bytes, code points and JSON escapes are confused.
_UNICODE = 'Grüße, 世界, 👩‍🚀, e\u0301, \u2028, "quoted" \\ and \x00 too'


@dataclass(frozen=True)
class Check:
    """One thing tested: what, whether it holds, what was seen, and how long it took in milliseconds."""

    name: str
    passed: bool
    seen: str
    milliseconds: int


class _WrongError(AssertionError):
    """The service did not do what it should; the message says what it did."""


def _must(condition: bool, seen: str) -> None:
    if not condition:
        raise _WrongError(seen)


def _brief(answer: web.Answer) -> str:
    return f"{answer.status} {answer.body[:120].decode('utf-8', 'replace')}"


class Probe:
    """The checks of one service. `token` is a fresh one."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Name and do each check; a check returns what it saw, or raises."""
        yield "ready: GET /readyz", lambda: self._get("/readyz")
        yield "alive: GET /healthz", lambda: self._get("/healthz")
        yield "welcome: GET /hello", self._hello
        yield "echo with a bearer token", lambda: self._echoed("hello")
        yield "echo of nothing", lambda: self._echoed("")
        yield "echo of Unicode, exactly", lambda: self._echoed(_UNICODE)
        yield "echo of 100 kB", lambda: self._echoed("echo " * 20_000)
        yield "echo with the auth member", self._auth_member
        yield "no token: 401", lambda: self._unauthorized({})
        yield "wrong token: 401", lambda: self._unauthorized({"Authorization": f"Bearer {self._wrong()}"})
        yield "body over 1 MiB: 413", self._too_large
        yield "unknown route: 404", lambda: self._problem("GET", "/no-such-route", 404)
        yield "wrong method: 405 with Allow", self._wrong_method
        yield "JSON that is none: 400", lambda: self._problem("POST", "/echo", 400, b"{not json")
        yield "request ids: own ones differ", self._request_ids
        yield "nosniff on every answer", self._nosniff

    def _send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> web.Answer:
        usual = {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            usual["Content-Type"] = "application/json"
        return web.request(method, self._url + path, body, usual if headers is None else headers)

    def _get(self, path: str) -> str:
        answer = self._send("GET", path, headers={})
        _must(answer.status == 200, _brief(answer))
        return "200"

    def _hello(self) -> str:
        answer = self._send("GET", "/hello", headers={})
        _must(answer.status == 200, _brief(answer))
        _must("Hello" in json.loads(answer.body), _brief(answer))
        return answer.body.decode().strip()

    def _echoed(self, text: str) -> str:
        answer = self._send("POST", "/echo", json.dumps({"str": text}).encode())
        return self._same(answer, text)

    def _same(self, answer: web.Answer, text: str) -> str:
        _must(answer.status == 200, _brief(answer))
        got = json.loads(answer.body)
        _must(got == {"str": text}, f"another string came back: {_brief(answer)}")
        return f"{len(text)} characters came back"

    def _auth_member(self) -> str:
        body = json.dumps({"auth": self._token, "str": "by member"}).encode()
        answer = self._send("POST", "/echo", body, {"Content-Type": "application/json"})
        return self._same(answer, "by member")

    def _wrong(self) -> str:
        """The real token with its last character changed, so that it looks right."""
        return self._token[:-1] + ("a" if self._token[-1] != "a" else "b")

    def _unauthorized(self, headers: Mapping[str, str]) -> str:
        sent = {"Content-Type": "application/json", **headers}
        answer = self._send("POST", "/echo", b'{"str": "x"}', sent)
        self._is_problem(answer, 401)
        _must("www-authenticate" in answer.headers, "401 without WWW-Authenticate")
        return "401, WWW-Authenticate"

    def _too_large(self) -> str:
        body = json.dumps({"str": "x" * _MIB}).encode()
        return self._is_problem(self._send("POST", "/echo", body), 413)

    def _problem(self, method: str, path: str, status: int, body: bytes | None = None) -> str:
        return self._is_problem(self._send(method, path, body), status)

    def _wrong_method(self) -> str:
        answer = self._send("DELETE", "/echo")
        self._is_problem(answer, 405)
        _must("allow" in answer.headers, "405 without Allow")
        return f"405, Allow: {answer.headers['allow']}"

    def _is_problem(self, answer: web.Answer, status: int) -> str:
        _must(answer.status == status, f"expected {status}, got {_brief(answer)}")
        kind = answer.headers.get("content-type", "")
        _must(kind.startswith("application/problem+json"), f"{status} as {kind or 'no content type'}")
        _must(json.loads(answer.body).get("status") == status, f"the body says {_brief(answer)}")
        return f"{status} {kind}"

    def _request_ids(self) -> str:
        found = [self._send("GET", "/hello").headers.get("x-request-id", "") for _ in range(3)]
        _must(all(found), "an answer has no X-Request-Id")
        _must(len(set(found)) == len(found), "two answers have the same X-Request-Id")
        return found[0]

    def _nosniff(self) -> str:
        for path in ("/hello", "/no-such-route"):
            answer = self._send("GET", path)
            _must(answer.headers.get("x-content-type-options") == "nosniff", f"{path} has no nosniff")
        return "nosniff"


def _do(name: str, check: Callable[[], str]) -> Check:
    begun = time.monotonic()
    try:
        seen, passed = check(), True
    except _WrongError as wrong:
        seen, passed = str(wrong), False
    except (OSError, http.client.HTTPException) as error:
        seen, passed = f"no answer: {error or type(error).__name__}", False
    except ValueError as error:
        seen, passed = f"not JSON: {error}", False
    return Check(name, passed, seen, round((time.monotonic() - begun) * 1000))


def _targets(cloud: Cloud, group: str) -> str:
    """Count healthy targets and their zones, as the load balancer sees them."""
    found = cloud.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    healthy = [one for one in found if one["TargetHealth"].get("State") == "healthy"]
    _must(bool(healthy), f"none of {len(found)} targets is healthy")
    zones = sorted({one["Target"].get("AvailabilityZone", "") for one in healthy} - {""})
    return f"{len(healthy)} healthy targets" + (f" in {', '.join(zones)}" if zones else "")


def run(cloud: Cloud, terminal: Terminal, as_json: bool) -> int:
    """Test the environment's service, print a table, and return 0 when everything passed, else 1."""
    endpoint.present(cloud, terminal)
    known = stacks.outputs(cloud)
    url = stacks.url(known)
    if not url:
        raise refused(
            f"{cloud.environment.name} has no service to test: no complete stack has the output Url.",
            f"Create it first: make create ENV={cloud.environment.name}",
        )
    terminal.say(f"Testing {url} from outside")
    token = access.create(cloud, f"test-{secrets.token_hex(4)}")
    try:
        checks = [_do(name, check) for name, check in Probe(url, token.token).checks()]
        groups = [found["TargetGroupArn"] for found in known.values() if "TargetGroupArn" in found]
        for group in groups:
            checks.append(_do("healthy targets", functools.partial(_targets, cloud, group)))
    finally:
        _revoke(cloud, terminal, token)
    failed = sum(not check.passed for check in checks)
    if as_json:
        terminal.json({"url": url, "passed": not failed, "checks": [asdict(check) for check in checks]})
    else:
        _show(terminal, checks)
        verdict = f"{failed} of {len(checks)} checks failed" if failed else f"All {len(checks)} checks passed"
        terminal.result(f"{verdict}: {url}")
    return FAILED if failed else OK


def _revoke(cloud: Cloud, terminal: Terminal, token: Token) -> None:
    try:
        if not access.revoke(cloud, token):
            terminal.notice(f"the token {token.name} stays: {cloud.environment.file} has no [token] revoke.")
    except ToolError as error:
        terminal.notice(f"the token {token.name} could not be revoked: {error.message}")


def _show(terminal: Terminal, checks: list[Check]) -> None:
    table = Table(pad_edge=False)
    for heading in ("Check", "Result", "Seen", "ms"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "ms" else "left")
    for check in checks:
        table.add_row(
            check.name,
            "pass" if check.passed else "FAIL",
            check.seen,
            str(check.milliseconds),
            style="" if check.passed else "bold red",
        )
    terminal.table(table)
