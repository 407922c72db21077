"""Every way a request is refused: RFC 9457 problem documents, made in one place.

A `Kind` is a row of docs/api.md; a `Problem` is one occurrence of it, raised wherever the reason is known
and turned into a response by the shared layer (`app.asgi`), by Flask's error handler, or by the protocol.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

CONTENT_TYPE = "application/problem+json"
URN = "urn:echo-room:problem:"
CHALLENGE = 'Bearer realm="echo-room"'


@dataclass(frozen=True)
class Kind:
    """A sort of problem: `name` completes the type URN, `meaning` is what docs/api.md says about it."""

    name: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """The problem type as a URI."""
        return URN + self.name


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("bad-request", 400, "Bad request", "The message is not HTTP as this server understands it."),
        Kind("invalid-json", 400, "Invalid JSON", "The body is not one JSON text."),
        Kind("invalid-utf-8", 400, "Invalid UTF-8", "The body is not UTF-8."),
        Kind("duplicate-member", 400, "Duplicate member", "A JSON object has the same member twice."),
        Kind("unauthorized", 401, "Unauthorized", "No token, or one that is unknown, expired or revoked."),
        Kind("invalid-credentials", 401, "Invalid credentials",
             "No account has that name and that password, or it is disabled."),
        Kind("forbidden", 403, "Forbidden", "The credential, or the page's origin, may not do this."),
        Kind("sign-up-closed", 403, "Sign-up closed",
             "Only operators make accounts here."),
        Kind("invitation-refused", 403, "Invitation refused",
             "The invitation is missing, unknown, used or expired."),
        Kind("not-found", 404, "Not found", "No such route, or no such token."),
        Kind("method-not-allowed", 405, "Method not allowed", "The route has other methods; see `Allow`."),
        Kind("request-timeout", 408, "Request timeout", "The request did not arrive in time."),
        Kind("name-taken", 409, "Name taken",
             "An account has that name already."),
        Kind("too-many-tokens", 409, "Too many tokens",
             "The account has as many tokens as it may have."),
        Kind("already-rotated", 409, "Already rotated",
             "The token was rotated already."),
        Kind("content-too-large", 413, "Content too large", "The body is larger than 1 MiB."),
        Kind("uri-too-long", 414, "URI too long", "The request line is too long."),
        Kind("unsupported-media-type", 415, "Unsupported media type",
             "The body is not `application/json` in UTF-8, or it is compressed."),
        Kind("invalid-member", 422, "Invalid member",
             "A member is missing, unknown, or not what it must be."),
        Kind("upgrade-required", 426, "Upgrade required", "The route speaks WebSocket; see `Upgrade`."),
        Kind("too-many-requests", 429, "Too many requests",
             "The token or the source has used up its quota; see `Retry-After` and `RateLimit`."),
        Kind("weak-password", 422, "Weak password",
             "The password is easy to guess; the detail says why."),
        Kind("too-many-attempts", 429, "Too many attempts",
             "Too many failed log-ins, or sign-ups; see `Retry-After`."),
        Kind("header-too-large", 431, "Request header fields too large", "The header is too large."),
        Kind("internal-error", 500, "Internal server error", "A fault of the service; the log has the rest."),
        Kind("requested-fault", 500, "Requested fault",
             "A fault that the request asked for, with the status it asked for; see `ECHO_FAULTS`."),
        Kind("overloaded", 503, "Overloaded", "Too many connections or requests at once; see `Retry-After`."),
        Kind("store-unavailable", 503, "Store unavailable",
             "The token cannot be verified at the moment; see `Retry-After`."),
        Kind("not-ready", 503, "Not ready", "This server takes no new traffic; see `Retry-After`."),
    )
}  # fmt: skip

# A status that something else chose (Flask, the HTTP parser) as a kind.
_BY_STATUS = {
    400: "bad-request", 401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed",
    408: "request-timeout", 413: "content-too-large", 414: "uri-too-long", 415: "unsupported-media-type",
    429: "too-many-requests", 431: "header-too-large", 500: "internal-error", 503: "overloaded",
}  # fmt: skip


class Problem(Exception):  # noqa: N818 - it is what the answer is called
    """A refusal: the kind's name, a detail for people (never a credential), and extra response headers."""

    def __init__(
        self, name: str, detail: str, headers: tuple[tuple[str, str], ...] = (), *, status: int = 0
    ) -> None:
        super().__init__(name, detail)
        self.kind = KINDS[name]
        self.detail = detail
        self.headers = headers
        self.status = status or self.kind.status

    def body(self, request_id: str) -> bytes:
        """The problem document as UTF-8 JSON."""
        return json.dumps(
            {
                "type": self.kind.type,
                "title": self.kind.title,
                "status": self.status,
                "detail": self.detail,
                "request_id": request_id,
            }
        ).encode()


def from_status(status: int, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Problem:
    """The problem for a status that a library chose; one that has no kind of its own becomes its nearest."""
    name = _BY_STATUS.get(status) or ("bad-request" if 400 <= status < 500 else "internal-error")
    return Problem(name, detail or HTTPStatus(status).phrase, headers)


def unauthorized(detail: str, *, presented: bool) -> Problem:
    """401; `presented`: there was a token, so the challenge says that it is invalid (RFC 6750)."""
    challenge = f'{CHALLENGE}, error="invalid_token"' if presented else CHALLENGE
    return Problem("unauthorized", detail, (("WWW-Authenticate", challenge),))


def retry_later(name: str, detail: str, seconds: int) -> Problem:
    """503 with `Retry-After: seconds`."""
    return Problem(name, detail, (("Retry-After", str(seconds)),))
