"""`GET /openapi.json` and `GET /docs`: what the service answers, for programs and for people."""
# ruff: noqa: E501 - markup

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from functools import cache
from html import escape
from typing import Any

from flask import Blueprint, Response

from app.problems import CONTENT_TYPE, KINDS
from app.web import cookies, guard
from app.web.operations import COMMON, OPERATIONS, SCHEMAS, Operation

openapi = Blueprint("openapi", __name__)

_HEADERS = {
    401: {"WWW-Authenticate": "the scheme, and what was wrong with the token"},
    405: {"Allow": "the methods of the route"},
    429: {"Retry-After": "seconds to wait"},
    503: {"Retry-After": "seconds to wait"},
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "anyone": [],
    "token": [{}, {"token": []}],
    "header": [{"token": []}],
    "session": [{"session": []}, {"console": []}],
    "password": [{}, {"session": []}, {"console": []}],
    "console": [{}, {"console": []}],
    "page": [],
}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _header(description: str, *, required: bool = True) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": {"type": "string"}}


def _problems(names: list[str]) -> dict[str, Any]:
    """The response for problems that have one status."""
    kinds = [KINDS[name] for name in names]
    status = kinds[0].status
    headers = {"X-Request-Id": _header("also in the log")}
    headers |= {name: _header(text) for name, text in _HEADERS.get(status, {}).items()}
    refined = {"type": {"enum": [kind.type for kind in kinds]}, "status": {"const": status}}
    return {
        "description": " ".join(f"`{kind.name}`: {kind.meaning}" for kind in kinds),
        "headers": headers,
        "content": {CONTENT_TYPE: {"schema": {"allOf": [_reference("Problem"), {"properties": refined}]}}},
    }


def _answer(operation: Operation, description: str, schema: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": description}
    if operation.method != "HEAD" and schema == "text/html":
        answer["content"] = {"text/html": {"schema": {"type": "string"}}}
    elif operation.method != "HEAD" and schema:
        answer["content"] = {"application/json": {"schema": _reference(schema)}}
        if operation.page:
            answer["content"]["text/html"] = {"schema": {"type": "string"}}
    if schema:
        answer["headers"] = {"X-Request-Id": _header("also in the log")}
    if operation.links:
        answer["links"] = {
            name: {"operationId": target, "parameters": {"id": "$response.body#/id"}}
            for name, target in operation.links.items()
        }
    return answer


def _operation(operation: Operation) -> dict[str, Any]:
    by_status: dict[int, list[str]] = defaultdict(list)
    for name in KINDS:  # in the order of the documentation
        if name in operation.problems or name in COMMON:
            by_status[KINDS[name].status].append(name)
    responses = {str(status): _answer(operation, *answer) for status, answer in operation.answers.items()}
    responses |= {str(status): _problems(names) for status, names in sorted(by_status.items())}
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "security": _SECURITY[operation.who],
        "responses": responses,
    }
    if operation.description:
        described["description"] = operation.description
    if "{id}" in operation.path:
        described["parameters"] = [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        ]
    if operation.who == "page":
        described["parameters"] = [
            {"name": cookies.HEADER, "in": "header", "required": True, "schema": {"const": "1"}}
        ]
    if operation.body:
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": {"schema": _reference(operation.body)}},
        }
    return described


def _served(console: bool) -> list[Operation]:
    return [each for each in OPERATIONS if console or not each.path.startswith("/console/")]


@cache
def document(console: bool = True) -> dict[str, Any]:
    """The OpenAPI document, with or without the console's routes."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in _served(console):
        paths[operation.path][operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Echo Room",
            "version": "1",
            "description": "What you send comes back. Every refusal is an RFC 9457 problem document. "
            "`HEAD` answers like `GET` without the body; `OPTIONS` answers with `Allow`.",
        },
        "servers": [{"url": "/"}],
        "paths": dict(paths),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "an API token, `echo_...`"},
                "session": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "a session's token, `echos_...`",
                },
                "console": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookies.SECURE_NAME,
                    "description": f"the same, given to the console; `{cookies.NAME}` without TLS. Only with "
                    f"`{cookies.HEADER}: 1`, from a page of the service's own origin, with `ECHO_CONSOLE` on.",
                },
            },
        },
    }


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
section{border-top:1px solid #d0d7de;padding:1rem 0}
h2{font-size:1.1rem;margin:0}
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f3f5f7;border-radius:4px}
code{padding:.1em .3em}
pre{padding:.8em;overflow:auto}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3em .8em .3em 0;border-top:1px solid #eaeef2}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}code,pre{background:#161b22}
section,td,th{border-color:#30363d}a{color:#58a6ff}}
"""
_WHO = {"anyone": "Anyone.", "token": "Needs an API token.", "header": "Needs an API token.", "session": "Needs a session's token.",
        "password": "Takes a name and a password, or a session's token.",
        "page": "For the console: needs its header field.", "console": "Takes the console's cookie."}  # fmt: skip
# Only this very style sheet, and nothing else from anywhere.
_POLICY = f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; frame-ancestors 'none'; base-uri 'none'"


def _prose(text: str) -> str:
    """HTML for text in which `code` is marked as here."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces))


def _section(operation: Operation) -> str:
    described = _operation(operation)
    rows = "".join(
        f"<tr><td>{status}</td><td>{_prose(answer['description'])}</td></tr>"
        for status, answer in described["responses"].items()
    )
    schemas = [("Body", operation.body)] + [
        (f"Answer {status}", name) for status, (_, name) in operation.answers.items() if name in SCHEMAS
    ]
    shown = "".join(
        f"<details><summary>{title}</summary><pre>{escape(json.dumps(SCHEMAS[name], indent=2))}</pre></details>"
        for title, name in schemas
        if name
    )
    text = f"{operation.summary}. {operation.description} {_WHO[operation.who]}".replace("  ", " ")
    return (
        f'<section id="{operation.id}"><h2><code>{operation.method} {escape(operation.path)}</code></h2>'
        f"<p>{_prose(text)}</p>{shown}"
        f"<table><tr><th>Status</th><th>When</th></tr>{rows}</table></section>"
    )


@cache
def page(console: bool = True) -> str:
    """The document as a page that needs nothing but itself: no script, no other host."""
    described, operations = document(console), _served(console)
    links = "".join(
        f'<li><a href="#{each.id}"><code>{each.method} {escape(each.path)}</code></a> {_prose(each.summary)}</li>'
        for each in operations
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Echo Room: API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Echo Room</h1>"
        f'<p>{_prose(described["info"]["description"])} For programs: <a href="/openapi.json">OpenAPI</a>.</p>'
        f"<ul>{links}</ul>{''.join(_section(each) for each in operations)}</body></html>\n"
    )


@openapi.get("/openapi.json")
def openapi_json() -> Response:
    """The OpenAPI document."""
    return Response(json.dumps(document(guard.settings().console)), content_type="application/json")


@openapi.get("/docs")
def docs() -> Response:
    """The document as a page."""
    return Response(
        page(guard.settings().console),
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": _POLICY},
    )
