"""The console's session: a cookie that scripts cannot read and that no other site can make use of.

A cookie comes with a request whoever caused it. So it counts only together with a header field that pages
of other origins cannot add (a browser would ask this service first, which never agrees), and not when the
browser says that another origin caused the request. `SameSite=Strict` alone would let in
pages of sibling names.
"""

from __future__ import annotations

from flask import Response, current_app, request

from app.origins import same_origin
from app.problems import Problem
from app.settings import Settings

NAME = "echo-session"
# Browsers take this name only over TLS, for this very host and its whole path: a sibling cannot plant one.
SECURE_NAME = f"__Host-{NAME}"
HEADER = "X-Echo-Console"


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _over_tls() -> bool:
    """Whether the browser spoke TLS: with the service, or with a balancer that is trusted to say so."""
    if request.scheme == "https":
        return True
    return _settings().trusted_hops > 0 and request.headers.get("X-Forwarded-Proto") == "https"


def _name(over_tls: bool) -> str:
    return SECURE_NAME if over_tls else NAME


def check_page() -> None:
    """Raises Problem (403) unless the console itself sent this request."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    foreign = origin is not None and not same_origin(origin, request.headers.get("Host", ""))
    if request.headers.get(HEADER) != "1" or foreign or site not in (None, "same-origin"):
        raise Problem("forbidden", f"Only the console may do this: from its own origin, with `{HEADER}: 1`.")


def token() -> str | None:
    """The session's token from the cookie, or None without one. Raises Problem (403), see `check_page`."""
    if not _settings().console:
        return None
    found = request.cookies.get(_name(_over_tls()))
    if found is not None:
        check_page()
    return found


def give(response: Response, session_token: str) -> None:
    """Put the session into the browser. It has no date: the server ends it, or the browser with itself."""
    over_tls = _over_tls()
    response.set_cookie(
        _name(over_tls), session_token, path="/", secure=over_tls, httponly=True, samesite="Strict"
    )


def take(response: Response) -> None:
    """Have the browser forget it."""
    over_tls = _over_tls()
    response.delete_cookie(_name(over_tls), path="/", secure=over_tls, httponly=True, samesite="Strict")
