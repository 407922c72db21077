"""The table of what the service answers, from which the OpenAPI document and its page are made."""
# ruff: noqa: E501 - a table is read by the row

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.accounts import names, passwords, service
from app.web.tokens import LONGEST_NAME, MOST_DAYS

Schema = dict[str, Any]

# Any request can be answered with these, whatever its route.
COMMON = ("bad-request", "request-timeout", "content-too-large", "uri-too-long", "too-many-requests",
          "header-too-large", "internal-error", "overloaded")  # fmt: skip
_BODY = ("invalid-json", "invalid-utf-8", "duplicate-member", "unsupported-media-type", "invalid-member")
_CREDENTIAL = ("unauthorized", "store-unavailable")
_SESSION = (*_CREDENTIAL, "forbidden")


@dataclass(frozen=True)
class Operation:
    """One method of one route.

    `who`: anyone, token (in the header, or in another way that OpenAPI cannot say), header (token in the header
    only), session, password (a session will do as well), or console (the session in the cookie, if there is one). `body` and the values of `answers` (status:
    description, schema) name schemas; `problems` name kinds.
    """

    method: str
    path: str
    id: str
    summary: str
    who: str
    answers: dict[int, tuple[str, str]]
    problems: tuple[str, ...] = ()
    body: str = ""
    body_optional: bool = False
    description: str = ""
    links: dict[str, str] = field(default_factory=dict)  # name: the operation that takes the answer's id
    page: bool = False  # 200 may be an HTML page as well


OPERATIONS = (
    Operation("GET", "/", "welcome", "The welcome message; for browsers, the console", "anyone",
              {200: ("The welcome, or a page", "Welcome"), 304: ("The page that `If-None-Match` names", "")},
              page=True, description="Which of the two is for the `Accept` field to say."),
    Operation("GET", "/hello", "hello", "The same", "anyone", {200: ("The welcome", "Welcome")}),
    Operation("POST", "/echo", "echo", "The string that was sent, exactly", "token",
              {200: ("The string", "Echo")}, (*_BODY, *_CREDENTIAL), "EchoRequest",
              description="The token may be sent as the member `auth` instead; with both, the header counts."),
    *(
        Operation(method, "/anything", f"anything{method.title()}", "The request as the server saw it", "header",
                  {200: ("The request; credentials are redacted", "Anything")}, _CREDENTIAL)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
    ),
    Operation("GET", "/whoami", "whoami", "Which task answered", "header", {200: ("The task", "Task")},
              _CREDENTIAL),
    Operation("GET", "/ws", "websocket", "WebSocket: every message comes back", "token",
              {101: ("The connection is a WebSocket now", "")},
              (*_CREDENTIAL, "forbidden", "upgrade-required", "not-ready"),
              description="Needs a WebSocket handshake, which OpenAPI cannot describe. Browsers send the token as "
              "the subprotocol `echo-room.token.TOKEN`, beside `echo-room`."),
    Operation("POST", "/accounts", "signUp", "Sign up", "anyone", {201: ("The account", "Account")},
              (*_BODY, "sign-up-closed", "invitation-refused", "name-taken", "weak-password",
               "too-many-attempts", "store-unavailable"), "SignUp",
              description="Passwords that are easy to guess are refused, with a reason."),
    Operation("POST", "/sessions", "logIn", "Log in, or extend a session", "password",
              {200: ("The session that was sent, extended", "Session"),
               201: ("A new session; its token is shown this once", "NewSession")},
              (*_BODY, *_SESSION, "invalid-credentials", "too-many-attempts"), "LogIn", True,
              description="With a body: log in. Without: extend the session whose token is sent."),
    Operation("DELETE", "/sessions/current", "logOut", "Log out", "session", {204: ("It has ended", "")},
              _SESSION),
    Operation("GET", "/tokens", "listTokens", "The account's API tokens, without their secrets", "session",
              {200: ("The tokens, oldest first; ended ones stay for a while", "Tokens")}, _SESSION),
    Operation("POST", "/tokens", "createToken", "Make an API token", "session",
              {201: ("The token, shown this once", "NewToken")}, (*_BODY, *_SESSION, "too-many-tokens"),
              "TokenRequest", description="Names have printable characters only, and not only spaces.",
              links={"rotate": "rotateToken", "revoke": "revokeToken"}),
    Operation("POST", "/tokens/{id}/rotate", "rotateToken", "Make a token in the place of another", "session",
              {201: ("The new token, shown this once", "RotatedToken")},
              (*_BODY, *_SESSION, "not-found", "already-rotated", "too-many-tokens"), "Rotation", True,
              description="The other one goes on working for the overlap."),
    Operation("DELETE", "/tokens/{id}", "revokeToken", "Revoke a token", "session",
              {204: ("It is revoked; servers notice within a minute", "")}, (*_SESSION, "not-found")),
    Operation("GET", "/console/session", "consoleSession", "Who is logged in on the console", "console",
              {200: ("The session in the cookie; without one, `account` is null", "ConsoleSession")},
              ("forbidden", "store-unavailable")),
    Operation("POST", "/console/session", "consoleLogIn", "Log in on the console", "page",
              {201: ("A new session, in a cookie", "ConsoleSession")},
              (*_BODY, "forbidden", "invalid-credentials", "too-many-attempts", "store-unavailable"), "LogIn"),
    Operation("DELETE", "/console/session", "consoleLogOut", "Log out on the console", "console",
              {204: ("There is no session now", "")}, ("forbidden", "store-unavailable")),
    Operation("GET", "/console/status", "consoleStatus", "How the task that answers is doing", "anyone",
              {200: ("Its state, and how fast it answered in the last minute", "Status")}),
    Operation("GET", "/healthz", "healthz", "Alive", "anyone", {200: ("Alive", "Health")}),
    Operation("GET", "/healthz/echo", "syntheticEcho", "An echo of the service's own text", "anyone",
              {200: ("The text, as it came out of the echo", "Echo")},
              description="For checks that can send neither a body nor a token. 500 if the echo is not right."),
    Operation("GET", "/readyz", "readyz", "Ready for traffic", "anyone", {200: ("Ready", "Readiness")},
              ("not-ready",)),
    Operation("GET", "/openapi.json", "openapi", "This description", "anyone",
              {200: ("An OpenAPI 3.1 document", "Document")}),
    Operation("GET", "/docs", "docs", "This description, to be read", "anyone", {200: ("A page", "text/html")}),
)  # fmt: skip


def _object(members: dict[str, Schema], *, optional: tuple[str, ...] = (), strict: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": members}
    required = [name for name in members if name not in optional]
    if required:
        schema["required"] = required
    if strict:
        schema["additionalProperties"] = False
    return schema


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_TEXT: Schema = {"type": "string"}
_MS: Schema = {"type": ["number", "null"], "minimum": 0}
_TIME: Schema = {"type": "string", "format": "date-time"}
_DAY: Schema = {"type": "string", "format": "date"}
_NAME: Schema = {
    "type": "string",
    "pattern": names.PATTERN,
    "description": f"{names.RULE}; unique in any case",
}
_PASSWORD: Schema = {"type": "string", "format": "password", "minLength": passwords.SHORTEST,
                     "maxLength": passwords.LONGEST}  # fmt: skip
_TOKEN_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_API_TOKEN: Schema = {"type": "string", "pattern": "^echo_[0-9A-Za-z]{38}$"}
_PAIRS: Schema = {"type": "array", "items": {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}}
_SESSION_MEMBERS: dict[str, Schema] = {
    "id": _TEXT, "account": _TEXT,
    "expires_at": {**_TIME, "description": "when it ends unless it is used before"},
    "ends_at": {**_TIME, "description": "when it ends in any case"},
}  # fmt: skip
_NEW_TOKEN: dict[str, Schema] = {
    "id": _TOKEN_ID, "name": _TEXT, "token": _API_TOKEN, "created_at": _TIME, "expires_at": _or_null(_TIME),
}  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "Problem": _object({
        "type": {"type": "string", "format": "uri"}, "title": _TEXT, "status": {"type": "integer"},
        "detail": _TEXT, "request_id": _TEXT,
    }),
    "Welcome": _object({"Hello": _TEXT}),
    "EchoRequest": _object(
        {"str": {"type": "string", "description": "any JSON string"},
         "auth": {"description": "the token, unless it is in the Authorization header"}},
        optional=("auth",), strict=False),
    "Echo": _object({"str": _TEXT}),
    "Anything": _object({
        "method": _TEXT, "path": _TEXT, "query": _PAIRS, "headers": _PAIRS, "body": _TEXT,
        "body_encoding": {"enum": ["utf-8", "base64"]}, "source": _TEXT,
        "scheme": {"enum": ["http", "https"]}, "request_id": _TEXT,
    }),
    "Task": _object({
        "zone": _or_null(_TEXT), "task": _or_null(_TEXT), "revision": _or_null(_TEXT), "image": _or_null(_TEXT),
        "version": _TEXT, "uptime_seconds": {"type": "number", "minimum": 0},
    }),
    "SignUp": _object(
        {"name": _NAME, "password": _PASSWORD,
         "invitation": {"type": ["string", "null"], "minLength": 1, "maxLength": 128}},
        optional=("invitation",)),
    "Account": _object({"id": _TEXT, "name": _NAME, "created_at": _TIME}),
    "LogIn": _object({"name": _NAME, "password": {**_PASSWORD, "minLength": 1}}),
    "Session": _object(_SESSION_MEMBERS),
    "NewSession": _object(
        {**_SESSION_MEMBERS, "token": {"type": "string", "pattern": "^echos_[0-9A-Za-z]{38}$"}}),
    "ConsoleSession": _object(
        {name: schema for name, schema in _SESSION_MEMBERS.items() if name != "id"}
        | {"account": {"type": ["string", "null"]}}, optional=("expires_at", "ends_at")),
    "Status": _object({
        "ready": {"type": "boolean"}, "detail": {**_or_null(_TEXT), "description": "why it is not ready"},
        "environment": _TEXT, "version": _TEXT, "sign_up": {"enum": ["open", "invite", "closed"]},
        "latency": _object({"seconds": {"type": "number", "minimum": 0}, "p50_ms": _MS, "p99_ms": _MS}),
    }),
    "TokenRequest": _object(
        {"name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
         "expires_in_days": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_DAYS}},
        optional=("expires_in_days",)),
    "NewToken": _object(_NEW_TOKEN),
    "Rotation": _object(
        {"overlap_seconds": {"type": ["integer", "null"], "minimum": 0, "maximum": service.MOST_OVERLAP_SECONDS,
                             "default": service.OVERLAP_SECONDS}}, optional=("overlap_seconds",)),
    "RotatedToken": _object(
        {**_NEW_TOKEN, "replaces": _object({"id": _TOKEN_ID, "expires_at": _TIME})}),
    "Tokens": _object({"tokens": {"type": "array", "items": _object({
        "id": _TOKEN_ID, "name": _TEXT, "created_at": _TIME, "expires_at": _or_null(_TIME),
        "revoked_at": _or_null(_TIME), "rotated_to": _or_null(_TOKEN_ID), "last_used_on": _or_null(_DAY),
    })}}),
    "Health": _object({"status": {"const": "ok"}, "version": _TEXT}),
    "Readiness": _object({"status": {"const": "ready"}}),
    "Document": {"type": "object"},
}  # fmt: skip
