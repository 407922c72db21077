"""The console: one page with its style and script inside, so that a rolling update cannot mix versions.

`static/` has its parts: the page, all its texts, the style sheet and the scripts, which share one module
scope. They are put together once, and allowed to run by their hashes; nothing else is.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

from flask import Response, request
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

STATIC = Path(__file__).with_name("static")
SCRIPTS = (
    "dom.js", "api.js", "socket.js", "snippets.js", "chart.js", "say.js", "tasks.js", "service.js",
    "dialogs.js", "tokens.js", "account.js",
)  # fmt: skip


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def built() -> tuple[str, str]:
    """The page, and the policy (CSP) that goes with it."""
    texts = json.loads(_read("texts.json"))
    style = _read("style.css")
    # `<` as an escape: no text may look like the script's end.
    constants = f"const TEXTS = {json.dumps(texts).replace('<', chr(92) + 'u003c')};\n"
    script = constants + "\n".join(_read(name) for name in SCRIPTS)
    icon = f"data:image/svg+xml,{quote(_read('icon.svg').strip())}"
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    page = environment.from_string(_read("page.html")).render(
        t=SimpleNamespace(**texts), icon=icon, style=Markup(style), script=Markup(script)  # noqa: S704 - our own files
    )  # fmt: skip
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; "
        "img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return page, policy


def response() -> Response:
    """The page, or 304 for who has this very one."""
    page, policy = built()
    answer = Response(page, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "no-cache"  # kept, and asked about each time
    answer.vary.add("Accept")
    answer.set_etag(hashlib.sha256(page.encode()).hexdigest()[:32])
    answer.make_conditional(request)
    del answer.headers["Date"]  # the server says it
    return answer
