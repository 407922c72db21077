"""Every way a request is refused: one table."""
# ruff: noqa: E501 - a table is read by the row

from __future__ import annotations

from dataclasses import dataclass, field

from app import tokens
from app.http import BODY_LIMIT

JSON = {"Content-Type": "application/json"}
GOOD = "GOOD"  # stands for a valid token in the table


@dataclass
class Refusal:
    """A request and the problem it must be answered with."""

    name: str
    problem: str
    method: str = "POST"
    path: str = "/echo"
    headers: dict[str, str] = field(default_factory=lambda: {**JSON, "Authorization": f"Bearer {GOOD}"})
    body: bytes = b'{"str": "x"}'
    raw: bytes | None = None  # the whole request instead
    answer_headers: dict[str, str] = field(default_factory=dict)
    closes: bool = False
    given: str = ""  # the state of the server, one of GIVEN


# States in which a server refuses what it else would answer: its settings; what brings it there is in `arrange`.
NO_STORE = {
    "ECHO_STORE": "dynamodb", "ECHO_STORE_TIMEOUT_SECONDS": "0.2", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
}  # fmt: skip
GIVEN = {
    "no store": NO_STORE,
    "draining": {"ECHO_GRACE_SECONDS": "60"},
    "limit reached": {"ECHO_TOKEN_RATE": "0.001", "ECHO_TOKEN_BURST": "1"},
    "full": {"ECHO_CONNECTIONS": "1"},
    "faults": {"ECHO_FAULTS": "on"},
    "sign-up closed": {"ECHO_SIGN_UP": "closed"},
}


def with_token(token: str) -> dict[str, str]:
    return {**JSON, "Authorization": f"Bearer {token}"}


def typed(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "Authorization": f"Bearer {GOOD}"}


CHALLENGE = {"www-authenticate": 'Bearer realm="echo-room"'}
INVALID = {"www-authenticate": 'Bearer realm="echo-room", error="invalid_token"'}
ALLOW_ECHO = {"allow": "OPTIONS, POST"}
ACCEPT = {"accept": "application/json"}
UPGRADE = {"upgrade": "websocket"}
LATER = {"retry-after": "ANY"}
HANDSHAKE = {
    "Authorization": f"Bearer {GOOD}", "Upgrade": "websocket", "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
BIG = b'{"str": "' + b"x" * BODY_LIMIT + b'"}'
CHUNKED_BIG = b"".join(b"10000\r\n" + b"y" * 0x10000 + b"\r\n" for _ in range(17)) + b"0\r\n\r\n"
CHUNKED = b"POST /%b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%b"

TABLE = [
    Refusal("no such route", "not-found", "GET", "/nothing", {}, b""),
    *[
        # What a limit, a log or a proxy's rule knows by one name must not have another.
        Refusal(f"another name: {path}", "not-found", path=path, body=b"")
        for path in ("//sessions", "///accounts", "/sessions/", "/./sessions", "/sessions//current", "/tokens//", "//echo")
    ],
    Refusal("echo is not a folder", "not-found", path="/echo/"),
    *[
        Refusal(f"{method} /echo", "method-not-allowed", method, answer_headers=ALLOW_ECHO)
        for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "BREW")
    ],
    Refusal("POST /hello", "method-not-allowed", path="/hello", answer_headers={"allow": "GET, HEAD, OPTIONS"}),
    Refusal("POST /healthz/echo", "method-not-allowed", path="/healthz/echo",
            answer_headers={"allow": "GET, HEAD, OPTIONS"}),
    Refusal("the synthetic echo is not a folder", "not-found", "GET", "/healthz/echo/", {}, b""),
    Refusal("no token", "unauthorized", headers=JSON, answer_headers=CHALLENGE),
    Refusal("null as token", "unauthorized", headers=JSON, body=b'{"auth": null, "str": "x"}',
            answer_headers=CHALLENGE),
    Refusal("another scheme", "unauthorized", headers={**JSON, "Authorization": "Basic eDp5"},
            answer_headers=CHALLENGE),
    Refusal("bearer without token", "unauthorized", headers={**JSON, "Authorization": "Bearer"},
            answer_headers=CHALLENGE),
    Refusal("not a token", "unauthorized", headers=with_token("secret"), answer_headers=INVALID),
    Refusal("not even ASCII", "unauthorized", headers=with_token("t\xf6ken"), answer_headers=INVALID),
    Refusal("unknown token", "unauthorized", headers=with_token(tokens.make()), answer_headers=INVALID),
    Refusal("expired token", "unauthorized", headers=with_token("EXPIRED"), answer_headers=INVALID),
    Refusal("revoked token", "unauthorized", headers=with_token("REVOKED"), answer_headers=INVALID),
    Refusal("not a token in the body", "unauthorized", headers=JSON, body=b'{"auth": "\\ud800", "str": "x"}',
            answer_headers=INVALID),
    Refusal("unknown token in the body", "unauthorized", headers=JSON,
            body=b'{"auth": "%b", "str": "x"}' % tokens.make().encode(), answer_headers=INVALID),
    Refusal("bad token before bad body", "unauthorized", headers=with_token("x"), body=b"{", answer_headers=INVALID),
    Refusal("token of a wrong type", "invalid-member", headers=JSON, body=b'{"auth": 5, "str": "x"}'),
    Refusal("no content type", "unsupported-media-type", headers={"Authorization": f"Bearer {GOOD}"},
            answer_headers=ACCEPT),
    Refusal("a form", "unsupported-media-type", headers=typed("application/x-www-form-urlencoded"),
            answer_headers=ACCEPT),
    Refusal("almost JSON", "unsupported-media-type", headers=typed("application/jsonx"), answer_headers=ACCEPT),
    Refusal("wrong charset", "unsupported-media-type", headers=typed("application/json; charset=utf-16"),
            answer_headers=ACCEPT),
    Refusal("compressed", "unsupported-media-type", headers={**typed("application/json"), "Content-Encoding": "gzip"},
            answer_headers={"accept-encoding": "identity"}),
    Refusal("empty body", "invalid-json", body=b""),
    Refusal("half a body", "invalid-json", body=b'{"str": "x"'),
    Refusal("two texts", "invalid-json", body=b'{"str": "x"}{}'),
    Refusal("NaN", "invalid-json", body=b'{"str": "x", "n": NaN}'),
    Refusal("a control character", "invalid-json", body=b'{"str": "\n"}'),
    Refusal("nested too deeply", "invalid-json", body=b"[" * 500_000),
    Refusal("byte order mark", "invalid-json", body=b'\xef\xbb\xbf{"str": "x"}'),
    Refusal("invalid UTF-8", "invalid-utf-8", body=b'{"str": "\xff"}'),
    Refusal("a surrogate in UTF-8", "invalid-utf-8", body=b'{"str": "\xed\xa0\x80"}'),
    Refusal("duplicate member", "duplicate-member", body=b'{"str": "x", "str": "y"}'),
    Refusal("duplicate member inside", "duplicate-member", body=b'{"str": "x", "a": [{"b": 1, "b": 1}]}'),
    Refusal("no str", "invalid-member", body=b"{}"),
    *[
        Refusal(f"str is {value.decode()}", "invalid-member", body=b'{"str": %b}' % value)
        for value in (b"null", b"5", b"true", b"[]", b"{}")
    ],
    *[Refusal(f"body is {body.decode()}", "invalid-member", body=body) for body in (b"[]", b'"str"', b"null", b"1")],
    Refusal("too large", "content-too-large", body=BIG, closes=True),
    Refusal("too large without a token", "content-too-large", headers=JSON, body=BIG, closes=True),
    Refusal("too large for Flask", "content-too-large", path="/hello", body=BIG, closes=True),
    Refusal("too large, chunked", "content-too-large", raw=CHUNKED % (b"echo", CHUNKED_BIG)),
    Refusal("too large for Flask, chunked", "content-too-large", raw=CHUNKED % (b"hello", CHUNKED_BIG)),
    Refusal("not HTTP", "bad-request", raw=b"hello\r\n\r\n", closes=True),
    Refusal("two lengths", "bad-request", closes=True,
            raw=b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    Refusal("length and chunks", "bad-request", closes=True,
            raw=b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    Refusal("two tokens", "bad-request", headers={**with_token(GOOD), "authorization": f"Bearer {GOOD}"}),
    Refusal("two schemes", "bad-request", headers={**with_token(GOOD), "authorization": "Basic eDp5"}),
    Refusal("two content types", "bad-request", headers={**with_token(GOOD), "content-type": "text/html"}, closes=True),
    Refusal("two hosts", "bad-request", headers={**with_token(GOOD), "host": "y"}, closes=True),
    Refusal("no host", "bad-request", raw=b"GET / HTTP/1.1\r\n\r\n", closes=True),
    Refusal("a hidden length", "bad-request", closes=True,
            raw=b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\nx"),
    Refusal("a chunk longer than it says", "bad-request", closes=True,
            raw=CHUNKED % (b"hello", b"1\r\nxyz0\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")),
    Refusal("bad chunk", "bad-request", raw=CHUNKED % (b"echo", b"zz\r\n"), closes=True),
    Refusal("long request line", "uri-too-long", raw=b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 9000), closes=True),
    Refusal("large header", "header-too-large", closes=True,
            raw=b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: %b\r\n\r\n" % (b"x" * 9000)),
    Refusal("many headers", "header-too-large", closes=True,
            raw=b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 150 + b"\r\n"),
    Refusal("unfinished header", "request-timeout", raw=b"GET / HTTP/1.1\r\nHost:", closes=True),
    Refusal("unfinished body", "request-timeout", closes=True,
            raw=b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"),
    Refusal("unfinished chunk", "request-timeout", raw=CHUNKED % (b"hello", b"5\r\nab"), closes=True),
    Refusal("no handshake", "upgrade-required", "GET", "/ws", with_token(GOOD), b"", answer_headers=UPGRADE),
    Refusal("old WebSocket", "upgrade-required", "GET", "/ws", {**HANDSHAKE, "Sec-WebSocket-Version": "8"}, b"", answer_headers=UPGRADE),
    Refusal("foreign page", "forbidden", "GET", "/ws", {**HANDSHAKE, "Origin": "https://elsewhere.example"}, b""),
    Refusal("handshake without a key", "bad-request", "GET", "/ws", {**HANDSHAKE, "Sec-WebSocket-Key": "x"}, b""),
    Refusal("handshake without a token", "unauthorized", "GET", "/ws", {**HANDSHAKE, "Authorization": ""}, b"", answer_headers=CHALLENGE),
    Refusal("unknown token", "store-unavailable", answer_headers=LATER, given="no store"),
    Refusal("not ready without a store", "not-ready", "GET", "/readyz", {}, b"", answer_headers=LATER, given="no store"),
    Refusal("not ready", "not-ready", "GET", "/readyz", {}, b"", answer_headers=LATER, closes=True, given="draining"),
    Refusal("no new WebSocket", "not-ready", "GET", "/ws", HANDSHAKE, b"", answer_headers=LATER, closes=True, given="draining"),
    Refusal("one request too many", "too-many-requests", answer_headers=LATER, given="limit reached"),
    Refusal("one connection too many", "overloaded", "GET", "/hello", {}, b"", answer_headers=LATER, closes=True, given="full"),
    Refusal("a fault that was asked for", "requested-fault", headers={**with_token(GOOD), "X-Echo-Fault": "status=500"}, given="faults"),
    Refusal("no accounts for strangers", "sign-up-closed", path="/accounts", headers=JSON, given="sign-up closed"),
]  # fmt: skip
