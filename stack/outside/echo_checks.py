"""What `test` holds the echo service to: its routes, refusals and limits, as a client sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stack.outside import web
from stack.outside.address import Address
from stack.outside.checks import Checks, brief, must

_MIB = 1024 * 1024
# Text that goes wrong where bytes, code points and JSON escapes are confused.
_UNICODE = 'Grüße, 世界, 👩‍🚀, e\u0301, \u2028, "quoted" \\ and \x00 too'


class EchoChecks:
    """The checks of one echo service. `token` is a fresh one."""

    def __init__(self, service: Address, token: str) -> None:
        self._service = service
        self._token = token

    def all(self) -> Checks:
        """Name each check and what does it."""
        yield "alive: GET /healthz", lambda: self._get("/healthz")
        yield "welcome: GET /hello", self._hello
        yield "synthetic: GET /healthz/echo", self._synthetic
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
        return self._service.request(method, path, body, usual if headers is None else headers)

    def _get(self, path: str) -> str:
        answer = self._send("GET", path, headers={})
        must(answer.status == 200, brief(answer))
        return "200"

    def _hello(self) -> str:
        answer = self._send("GET", "/hello", headers={})
        must(answer.status == 200, brief(answer))
        must("Hello" in json.loads(answer.body), brief(answer))
        return answer.body.decode().strip()

    def _synthetic(self) -> str:
        answer = self._send("GET", "/healthz/echo", headers={})
        must(answer.status == 200, brief(answer))
        text = json.loads(answer.body).get("str", "")
        must("Is anybody there?" in text, brief(answer))
        return f"{len(text)} characters came back"

    def _echoed(self, text: str) -> str:
        answer = self._send("POST", "/echo", json.dumps({"str": text}).encode())
        return self._same(answer, text)

    def _same(self, answer: web.Answer, text: str) -> str:
        must(answer.status == 200, brief(answer))
        got = json.loads(answer.body)
        must(got == {"str": text}, f"another string came back: {brief(answer)}")
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
        must("www-authenticate" in answer.headers, "401 without WWW-Authenticate")
        return "401, WWW-Authenticate"

    def _too_large(self) -> str:
        body = json.dumps({"str": "x" * _MIB}).encode()
        return self._is_problem(self._send("POST", "/echo", body), 413)

    def _problem(self, method: str, path: str, status: int, body: bytes | None = None) -> str:
        return self._is_problem(self._send(method, path, body), status)

    def _wrong_method(self) -> str:
        answer = self._send("DELETE", "/echo")
        self._is_problem(answer, 405)
        must("allow" in answer.headers, "405 without Allow")
        return f"405, Allow: {answer.headers['allow']}"

    def _is_problem(self, answer: web.Answer, status: int) -> str:
        must(answer.status == status, f"expected {status}, got {brief(answer)}")
        kind = answer.headers.get("content-type", "")
        must(kind.startswith("application/problem+json"), f"{status} as {kind or 'no content type'}")
        must(json.loads(answer.body).get("status") == status, f"the body says {brief(answer)}")
        return f"{status} {kind}"

    def _request_ids(self) -> str:
        found = [self._send("GET", "/hello").headers.get("x-request-id", "") for _ in range(3)]
        must(all(found), "an answer has no X-Request-Id")
        must(len(set(found)) == len(found), "two answers have the same X-Request-Id")
        return found[0]

    def _nosniff(self) -> str:
        for path in ("/hello", "/no-such-route"):
            answer = self._send("GET", path)
            must(answer.headers.get("x-content-type-options") == "nosniff", f"{path} has no nosniff")
        return "nosniff"
